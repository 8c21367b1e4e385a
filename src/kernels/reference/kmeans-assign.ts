// Reference kernel of k-means' assignment.

import type { ReferenceKernel } from "../kernel.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { kmeansAssign } from "../ops/kmeans-assign.ts";

export const kmeansAssignReference: ReferenceKernel<NoParams> = {
  op: kmeansAssign,
  run({ inputs }, [x, centroids], [assignment, distances]) {
    const [B, D] = inputs[0]!.shape as [number, number];
    const K = inputs[1]!.shape[0]!;
    for (let b = 0; b < B; b++) {
      assignment![b] = 0;
      distances![b] = Infinity;
      for (let k = 0; k < K; k++) {
        let distance = 0;
        for (let d = 0; d < D; d++) distance += (x![b * D + d]! - centroids![k * D + d]!) ** 2;
        if (!(distance < distances![b]!)) continue;
        assignment![b] = k;
        distances![b] = distance;
      }
    }
  },
};
