// Reference kernel of dropout.

import { philox4x32 } from "../../random.ts";
import type { ReferenceKernel } from "../kernel.ts";
import { dropout, DROPOUT_KEY, dropoutThreshold, type DropoutParams } from "../ops/dropout.ts";

export const dropoutReference: ReferenceKernel<DropoutParams> = {
  op: dropout,
  run({ inputs, params: { rate, layer } }, [x, counters], [y]) {
    const B = inputs[0]!.shape[0]!;
    const sampleElements = x!.length / B;
    const [step, firstSample, seed] = Uint32Array.from(counters!);
    const threshold = dropoutThreshold(rate);
    const words = new Uint32Array(4);
    for (let i = 0; i < B; i++)
      for (let e = 0; e < sampleElements; e++) {
        const sample = (firstSample! + i) >>> 0;
        if (e % 4 === 0) philox4x32(e / 4, step!, sample, layer >>> 0, seed!, DROPOUT_KEY, words);
        const at = i * sampleElements + e;
        y![at] = words[e % 4]! >>> 8 >= threshold ? x![at]! / (1 - rate) : 0;
      }
  },
};
