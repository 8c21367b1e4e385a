// Reference kernels of bias-add and column-sum.

import type { ReferenceKernel } from "../kernel.ts";
import { biasAdd, columnSum } from "../ops/bias.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { inDouble } from "./in-double.ts";

export const biasAddReference: ReferenceKernel<NoParams> = {
  op: biasAdd,
  run(_, [x, bias], [y]) {
    for (let i = 0; i < x!.length; i++) y![i] = x![i]! + bias![i % bias!.length]!;
  },
};

export const columnSumReference: ReferenceKernel<NoParams> = {
  op: columnSum,
  run(_, [x], [y]) {
    inDouble(y!, (sums) => {
      for (let i = 0; i < x!.length; i++) sums[i % sums.length]! += x![i]!;
    });
  },
};
