// Sums become means.

import type { Op } from "../op.ts";
import { elementCount } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

/** (x[...], divisor[1]) -> x / divisor; the divisor is not known when the program is made */
export const divide: Op<NoParams> = {
  name: "divide",
  infer(inputs) {
    bindShapes("divide", inputs, { x: "...", divisor: "1" });
    return [inputs[0]!];
  },
  flops: (inputs) => elementCount(inputs[0]!),
  inPlace: [0],
  vjp: "not-differentiable",
};
