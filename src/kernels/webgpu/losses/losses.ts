// Losses of single elements, summed over all of them, and the count of right answers.

import type { KernelCall } from "../../kernel.ts";
import type { Op } from "../../op.ts";
import type { NoParams } from "../../ops/elementwise.ts";
import { hinge, meanSquaredError, sigmoidCrossEntropy, squaredHinge } from "../../ops/losses.ts";
import { elementCount } from "../../tensor.ts";
import { float } from "../emit/elements.ts";
import { mathFunctions, type MathFunction } from "../emit/math.ts";
import { flatSums } from "../emit/flat-sums.ts";
import type { WebGpuKernel } from "../kernel.ts";

interface ElementLoss {
  readonly op: Op<NoParams>;
  /** The loss of `prediction` and `truth`, vec4f; `margin` is what it lacks of 1 on the truth's side, at least 0. */
  readonly loss: string;
  readonly math?: readonly MathFunction[];
  /** Right if prediction and truth are on the same side; or nothing is. */
  readonly counts: boolean;
  /** The sum is divided by the columns. */
  readonly mean?: true;
}

const RIGHT = "(prediction > vec4f()) == (truth > vec4f(0.5))";

function lossKernel({ op, loss, math = [], counts, mean }: ElementLoss): WebGpuKernel {
  return {
    name: `f32-${op.name}-webgpu`,
    op,
    accepts: () => true,
    build({ inputs }: KernelCall, target) {
      const weighted = inputs.length > 2;
      const scale = mean === true ? `${float(1 / inputs[0]!.shape[1]!)} * ` : "";
      return flatSums(
        {
          elements: elementCount(inputs[0]!),
          bindings: {
            predictions: { of: { input: 0 }, type: "vec4f" },
            targets: { of: { input: 1 }, type: "vec4f" },
            ...(weighted && { weights: { of: { input: 2 }, type: "vec4f" } }),
          },
          module: mathFunctions(math, 4),
          perElement: `let prediction = $predictions[i];
    let truth = $targets[i];
    let distance = 1.0 - (2.0 * truth - 1.0) * prediction;
    let margin = select(distance, vec4f(), distance < vec4f());`,
          terms: [
            weighted ? `$weights[i] * (${loss})` : loss,
            ...(counts ? [`select(vec4f(), vec4f(1.0), ${RIGHT})`] : []),
          ],
          resultBindings: {
            loss: { of: { output: 0 }, type: "f32" },
            correct: { of: { output: 1 }, type: "f32" },
          },
          results: `$loss[0] = ${scale}sum0; $correct[0] = ${counts ? "sum1" : "0.0"};`,
        },
        target,
      );
    },
  };
}

export const lossKernels: readonly WebGpuKernel[] = [
  lossKernel({
    op: sigmoidCrossEntropy,
    // Without overflow.
    loss: "max(prediction, vec4f()) - prediction * truth + log1p_of(exp_of(-abs(prediction)))",
    math: ["exp", "log1p"],
    counts: true,
  }),
  lossKernel({
    op: meanSquaredError,
    loss: "(prediction - truth) * (prediction - truth)",
    counts: false,
    mean: true,
  }),
  lossKernel({ op: hinge, loss: "margin", counts: true }),
  lossKernel({ op: squaredHinge, loss: "margin * margin", counts: true }),
];
