// Reference kernels of concat and slice: rows copied piece by piece.

import type { ReferenceKernel } from "../kernel.ts";
import { concat, rowsOf, slice, type SliceParams } from "../ops/concat.ts";
import type { NoParams } from "../ops/elementwise.ts";

export const concatReference: ReferenceKernel<NoParams> = {
  op: concat,
  run({ inputs, outputs }, operands, [y]) {
    for (let row = 0, at = 0; row < rowsOf(outputs[0]!); row++)
      inputs.forEach(({ shape }, i) => {
        const columns = shape.at(-1)!;
        y!.set(operands[i]!.subarray(row * columns, (row + 1) * columns), at);
        at += columns;
      });
  },
};

export const sliceReference: ReferenceKernel<SliceParams> = {
  op: slice,
  run({ inputs, outputs, params: { begin, end } }, [x], [y]) {
    const columns = inputs[0]!.shape.at(-1)!;
    for (let row = 0; row < rowsOf(outputs[0]!); row++)
      y!.set(x!.subarray(row * columns + begin, row * columns + end), row * (end - begin));
  },
};
