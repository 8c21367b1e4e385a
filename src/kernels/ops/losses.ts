// Losses. They return sums over the samples, never means: ranks send sums and sample counts, and the owner of a chunk
// divides. Each also counts the right answers, so that accuracy rides along. Samples, or elements, may have weights, which
// multiply their losses and not the count.

import type { Op, Tensor, Vjp } from "../op.ts";
import { elementCount, f32 } from "../tensor.ts";
import { multiply, type NoParams } from "./elementwise.ts";
import { bindShapes } from "./shapes.ts";

type LossSignature = Readonly<Record<string, string>>;

export interface SoftmaxCrossEntropyParams {
  /**
   * The share of a sample's truth that all classes have alike, in [0, 1) (Szegedy et al. 2016, section 7; PyTorch's
   * `label_smoothing`); 0 if left out.
   */
  readonly labelSmoothing?: number;
}

function loss<P extends object>(
  name: string,
  signature: LossSignature,
  flopsPerElement: number,
  vjp: Vjp<P>,
): Op<P> {
  return {
    name,
    infer(inputs) {
      bindShapes(name, inputs, signature);
      return [f32(1), f32(1)];
    },
    flops: (inputs) => flopsPerElement * elementCount(inputs[0]!),
    vjp,
  };
}

function lossGrad<P extends object>(
  name: string,
  signature: LossSignature,
  flopsPerElement: number,
  inPlace?: readonly number[],
): Op<P> {
  return {
    name,
    infer(inputs) {
      bindShapes(name, inputs, signature);
      return [inputs[0]!];
    },
    flops: (inputs) => flopsPerElement * elementCount(inputs[0]!),
    ...(inPlace && { inPlace }),
    vjp: "not-differentiable",
  };
}

/** A loss of single elements: the gradient of the sum with regard to operand 0; targets and weights get none, a count has none. */
function elementLoss(
  name: string,
  signature: LossSignature,
  flopsPerElement: number,
  grad: () => Op<NoParams>,
): Op<NoParams> {
  return loss(name, { ...signature, "weights?": "B N" }, flopsPerElement, ({ inputs, outputGrads, add }) => {
    const [x, targets, weights] = inputs as readonly [Tensor, Tensor, Tensor | undefined];
    const dLoss = outputGrads[0];
    if (dLoss === undefined) return [];
    const [dx] = add(grad(), [x, targets, dLoss], {});
    return weights === undefined ? [dx] : add(multiply, [dx!, weights], {});
  });
}

function elementLossGrad(name: string, signature: LossSignature, flopsPerElement: number): Op<NoParams> {
  return lossGrad(name, { ...signature, dLoss: "1" }, flopsPerElement, [0, 1]);
}

const CLASSES: LossSignature = { logits: "B C", labels: "i32 B" };
const BITS: LossSignature = { logits: "B N", targets: "B N" };
const MARGINS: LossSignature = { scores: "B N", targets: "B N" };
const VALUES: LossSignature = { predictions: "B N", targets: "B N" };

/**
 * (logits[B,C], labels i32[B], weights?[B]) -> loss[1] = sum_b weights_b sum_c -truth_bc log softmax(logits_b)_c, where
 * truth_bc = (1 - smoothing) onehot(labels_b)_c + smoothing / C; correct[1] = rows whose first maximum is the label
 */
export const softmaxCrossEntropy: Op<SoftmaxCrossEntropyParams> = loss(
  "softmax-cross-entropy",
  { ...CLASSES, "weights?": "B" },
  5,
  ({ inputs: [logits, labels, ...weights], outputGrads: [dLoss], params, add }) =>
    dLoss === undefined
      ? []
      : [add(softmaxCrossEntropyGrad, [logits!, labels!, dLoss, ...weights], params)[0]],
);

/** (logits, labels, dLoss[1], weights?[B]) -> dlogits_b = dLoss weights_b (softmax(logits_b) - truth_b) */
export const softmaxCrossEntropyGrad: Op<SoftmaxCrossEntropyParams> = lossGrad(
  "softmax-cross-entropy-grad",
  { ...CLASSES, dLoss: "1", "weights?": "B" },
  6,
);

/**
 * (logits, labels, weights?) -> loss, correct, dlogits of a dLoss of 1: both of the above in one pass. No graph is built with
 * it: graph/fuse.ts puts it in their place.
 */
export const softmaxCrossEntropyWithGrad: Op<SoftmaxCrossEntropyParams> = {
  name: "softmax-cross-entropy-with-grad",
  infer(inputs) {
    bindShapes("softmax-cross-entropy-with-grad", inputs, { ...CLASSES, "weights?": "B" });
    return [f32(1), f32(1), inputs[0]!];
  },
  flops: (inputs) => 7 * elementCount(inputs[0]!),
  vjp: "not-differentiable",
};

/** (logits[B,N], targets[B,N] in [0,1]) -> loss[1] = sum over all elements, correct[1] = count of (logit > 0) == (target > 0.5) */
export const sigmoidCrossEntropy = elementLoss(
  "sigmoid-cross-entropy",
  BITS,
  7,
  () => sigmoidCrossEntropyGrad,
);

/** (logits, targets, dLoss[1]) -> dlogits = dLoss (sigmoid(logits) - targets) */
export const sigmoidCrossEntropyGrad = elementLossGrad("sigmoid-cross-entropy-grad", BITS, 5);

/** (predictions[B,N], targets[B,N]) -> loss[1] = sum_b mean_n (prediction - target)^2, correct[1] = 0 */
export const meanSquaredError = elementLoss("mean-squared-error", VALUES, 3, () => meanSquaredErrorGrad);

/** (predictions, targets, dLoss[1]) -> dpredictions = dLoss 2 / N (predictions - targets) */
export const meanSquaredErrorGrad = elementLossGrad("mean-squared-error-grad", VALUES, 2);

/**
 * (scores[B,N], targets[B,N] in [0,1]) -> loss[1] = sum over all elements of max(0, 1 - s score), s = 2 target - 1,
 * correct[1] = count of (score > 0) == (target > 0.5): the linear support vector machine's
 */
export const hinge = elementLoss("hinge", MARGINS, 4, () => hingeGrad);

/** (scores, targets, dLoss[1]) -> dscores = s score < 1 ? -dLoss s : 0 */
export const hingeGrad = elementLossGrad("hinge-grad", MARGINS, 4);

/** As `hinge`, with the square of each element's loss. */
export const squaredHinge = elementLoss("squared-hinge", MARGINS, 5, () => squaredHingeGrad);

/** (scores, targets, dLoss[1]) -> dscores = -2 dLoss s max(0, 1 - s score) */
export const squaredHingeGrad = elementLossGrad("squared-hinge-grad", MARGINS, 6);
