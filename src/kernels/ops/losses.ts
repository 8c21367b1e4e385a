// Losses. They return sums over the samples, never means: ranks send sums and sample counts, and the owner of a chunk
// divides. Each also counts the right answers, so that accuracy rides along.

import type { Op, Vjp } from "../op.ts";
import { elementCount, f32 } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

type LossSignature = Readonly<Record<string, string>>;

/** The gradient of the sum with regard to operand 0; targets get none, and a count has none. */
function lossVjp(grad: () => Op<NoParams>): Vjp<NoParams> {
  return ({ inputs, outputGrads, add }) => {
    const dLoss = outputGrads[0];
    return [dLoss === undefined ? undefined : add(grad(), [inputs[0]!, inputs[1]!, dLoss], {})[0], undefined];
  };
}

function loss(
  name: string,
  signature: LossSignature,
  flopsPerElement: number,
  grad: () => Op<NoParams>,
): Op<NoParams> {
  return {
    name,
    infer(inputs) {
      bindShapes(name, inputs, signature);
      return [f32(1), f32(1)];
    },
    flops: (inputs) => flopsPerElement * elementCount(inputs[0]!),
    vjp: lossVjp(grad),
  };
}

function lossGrad(
  name: string,
  signature: LossSignature,
  flopsPerElement: number,
  inPlace?: readonly number[],
): Op<NoParams> {
  return {
    name,
    infer(inputs) {
      bindShapes(name, inputs, { ...signature, dLoss: "1" });
      return [inputs[0]!];
    },
    flops: (inputs) => flopsPerElement * elementCount(inputs[0]!),
    ...(inPlace && { inPlace }),
    vjp: "not-differentiable",
  };
}

const CLASSES: LossSignature = { logits: "B C", labels: "i32 B" };
const BITS: LossSignature = { logits: "B N", targets: "B N" };
const MARGINS: LossSignature = { scores: "B N", targets: "B N" };
const VALUES: LossSignature = { predictions: "B N", targets: "B N" };

/** (logits[B,C], labels i32[B]) -> loss[1] = sum_b -log softmax(logits_b)[label_b], correct[1] = rows whose first maximum is the label */
export const softmaxCrossEntropy = loss("softmax-cross-entropy", CLASSES, 5, () => softmaxCrossEntropyGrad);

/** (logits, labels, dLoss[1]) -> dlogits = dLoss (softmax(logits) - onehot(labels)) */
export const softmaxCrossEntropyGrad = lossGrad("softmax-cross-entropy-grad", CLASSES, 6);

/**
 * (logits, labels) -> loss, correct, dlogits of a dLoss of 1: both of the above in one pass. No graph is built with it:
 * graph/fuse.ts puts it in their place.
 */
export const softmaxCrossEntropyWithGrad: Op<NoParams> = {
  name: "softmax-cross-entropy-with-grad",
  infer(inputs) {
    bindShapes("softmax-cross-entropy-with-grad", inputs, CLASSES);
    return [f32(1), f32(1), inputs[0]!];
  },
  flops: (inputs) => 7 * elementCount(inputs[0]!),
  vjp: "not-differentiable",
};

/** (logits[B,N], targets[B,N] in [0,1]) -> loss[1] = sum over all elements, correct[1] = count of (logit > 0) == (target > 0.5) */
export const sigmoidCrossEntropy = loss("sigmoid-cross-entropy", BITS, 7, () => sigmoidCrossEntropyGrad);

/** (logits, targets, dLoss[1]) -> dlogits = dLoss (sigmoid(logits) - targets) */
export const sigmoidCrossEntropyGrad = lossGrad("sigmoid-cross-entropy-grad", BITS, 5, [0, 1]);

/** (predictions[B,N], targets[B,N]) -> loss[1] = sum_b mean_n (prediction - target)^2, correct[1] = 0 */
export const meanSquaredError = loss("mean-squared-error", VALUES, 3, () => meanSquaredErrorGrad);

/** (predictions, targets, dLoss[1]) -> dpredictions = dLoss 2 / N (predictions - targets) */
export const meanSquaredErrorGrad = lossGrad("mean-squared-error-grad", VALUES, 2, [0, 1]);

/**
 * (scores[B,N], targets[B,N] in [0,1]) -> loss[1] = sum over all elements of max(0, 1 - s score), s = 2 target - 1,
 * correct[1] = count of (score > 0) == (target > 0.5): the linear support vector machine's
 */
export const hinge = loss("hinge", MARGINS, 4, () => hingeGrad);

/** (scores, targets, dLoss[1]) -> dscores = s score < 1 ? -dLoss s : 0 */
export const hingeGrad = lossGrad("hinge-grad", MARGINS, 4, [0, 1]);

/** As `hinge`, with the square of each element's loss. */
export const squaredHinge = loss("squared-hinge", MARGINS, 5, () => squaredHingeGrad);

/** (scores, targets, dLoss[1]) -> dscores = -2 dLoss s max(0, 1 - s score) */
export const squaredHingeGrad = lossGrad("squared-hinge-grad", MARGINS, 6, [0, 1]);
