// Reference kernel of divide.

import type { ReferenceKernel } from "../kernel.ts";
import { divide } from "../ops/divide.ts";
import type { NoParams } from "../ops/elementwise.ts";

export const divideReference: ReferenceKernel<NoParams> = {
  op: divide,
  run(_, [x, divisor], [y]) {
    x!.forEach((value, i) => (y![i] = value / divisor![0]!));
  },
};
