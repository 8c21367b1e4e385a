// Reference kernels of embedding and its gradient.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { embedding, embeddingGrad, type EmbeddingGradParams } from "../ops/embedding.ts";
import { inDouble } from "./in-double.ts";

export const embeddingReference: ReferenceKernel<NoParams> = {
  op: embedding,
  run({ inputs }, [ids, table], [y]) {
    const [V, D] = inputs[1]!.shape as [number, number];
    ids!.forEach((id, i) => {
      for (let d = 0; d < D; d++) y![i * D + d] = id >= 0 && id < V ? table![id * D + d]! : NaN;
    });
  },
};

export const embeddingGradReference: ReferenceKernel<EmbeddingGradParams> = {
  op: embeddingGrad,
  run({ outputs }, [ids, dy], [dTable]) {
    const [V, D] = outputs[0]!.shape as [number, number];
    inDouble(dTable!, (sums) => {
      ids!.forEach((id, i) => {
        if (id < 0 || id >= V) return;
        for (let d = 0; d < D; d++) sums[id * D + d]! += dy![i * D + d]!;
      });
    });
  },
};
