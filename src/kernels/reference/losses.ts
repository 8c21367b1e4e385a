// Reference kernels of the losses: sums over the batch, and their gradients.

import { assert } from "../../errors.ts";
import type { ReferenceKernel } from "../kernel.ts";
import type { Op } from "../op.ts";
import type { NoParams } from "../ops/elementwise.ts";
import {
  hinge,
  hingeGrad,
  meanSquaredError,
  meanSquaredErrorGrad,
  sigmoidCrossEntropy,
  sigmoidCrossEntropyGrad,
  softmaxCrossEntropy,
  softmaxCrossEntropyGrad,
  type SoftmaxCrossEntropyParams,
  softmaxCrossEntropyWithGrad,
  squaredHinge,
  squaredHingeGrad,
} from "../ops/losses.ts";
import { softmaxRow } from "./softmax.ts";

export const softmaxCrossEntropyReference: ReferenceKernel<SoftmaxCrossEntropyParams> = {
  op: softmaxCrossEntropy,
  run({ inputs, params: { labelSmoothing = 0 } }, [logits, labels, weights], [loss, correct]) {
    const [B, C] = inputs[0]!.shape as [number, number];
    let sum = 0;
    let hits = 0;
    for (let b = 0; b < B; b++) {
      const row = Float64Array.from(logits!.subarray(b * C, (b + 1) * C));
      const label = labels![b]!;
      assert(
        label >= 0 && label < C,
        `softmax-cross-entropy: label ${label} of row ${b} is outside [0, ${C})`,
      );
      const maximum = row.reduce((a, c) => Math.max(a, c), -Infinity);
      const logSum = Math.log(row.reduce((total, value) => total + Math.exp(value - maximum), 0));
      const meanShortfall = row.reduce((total, value) => total + (maximum - value), 0) / C;
      const shortfall = (1 - labelSmoothing) * (maximum - row[label]!) + labelSmoothing * meanShortfall;
      sum += (weights?.[b] ?? 1) * (logSum + shortfall);
      if (row.indexOf(maximum) === label) hits++;
    }
    loss![0] = sum;
    correct![0] = hits;
  },
};

export const softmaxCrossEntropyGradReference: ReferenceKernel<SoftmaxCrossEntropyParams> = {
  op: softmaxCrossEntropyGrad,
  run({ inputs, params: { labelSmoothing = 0 } }, [logits, labels, dLoss, weights], [dLogits]) {
    const [B, C] = inputs[0]!.shape as [number, number];
    for (let b = 0; b < B; b++) {
      const probabilities = softmaxRow(logits!, b, C);
      const scale = dLoss![0]! * (weights?.[b] ?? 1);
      for (let c = 0; c < C; c++) {
        const truth = (labels![b] === c ? 1 - labelSmoothing : 0) + labelSmoothing / C;
        dLogits![b * C + c] = scale * (probabilities[c]! - truth);
      }
    }
  },
};

export const softmaxCrossEntropyWithGradReference: ReferenceKernel<SoftmaxCrossEntropyParams> = {
  op: softmaxCrossEntropyWithGrad,
  run(call, [logits, labels, ...weights], [loss, correct, dLogits]) {
    softmaxCrossEntropyReference.run(call, [logits!, labels!, ...weights], [loss!, correct!]);
    const one = Float64Array.of(1);
    softmaxCrossEntropyGradReference.run(call, [logits!, labels!, one, ...weights], [dLogits!]);
  },
};

export const sigmoidCrossEntropyReference: ReferenceKernel<NoParams> = {
  op: sigmoidCrossEntropy,
  run(_, [logits, targets, weights], [loss, correct]) {
    let sum = 0;
    let hits = 0;
    for (let i = 0; i < logits!.length; i++) {
      const z = logits![i]!;
      const target = targets![i]!;
      // -target log(sigmoid(z)) - (1 - target) log(1 - sigmoid(z)) without overflow
      sum += (weights?.[i] ?? 1) * (Math.max(z, 0) - z * target + Math.log1p(Math.exp(-Math.abs(z))));
      if (z > 0 === target > 0.5) hits++;
    }
    loss![0] = sum;
    correct![0] = hits;
  },
};

export const sigmoidCrossEntropyGradReference: ReferenceKernel<NoParams> = {
  op: sigmoidCrossEntropyGrad,
  run(_, [logits, targets, dLoss], [dLogits]) {
    for (let i = 0; i < logits!.length; i++)
      dLogits![i] = dLoss![0]! * (1 / (1 + Math.exp(-logits![i]!)) - targets![i]!);
  },
};

export const meanSquaredErrorReference: ReferenceKernel<NoParams> = {
  op: meanSquaredError,
  run({ inputs }, [predictions, targets, weights], [loss, correct]) {
    let sum = 0;
    for (let i = 0; i < predictions!.length; i++)
      sum += (weights?.[i] ?? 1) * (predictions![i]! - targets![i]!) ** 2;
    loss![0] = sum / inputs[0]!.shape[1]!;
    correct![0] = 0;
  },
};

export const meanSquaredErrorGradReference: ReferenceKernel<NoParams> = {
  op: meanSquaredErrorGrad,
  run({ inputs }, [predictions, targets, dLoss], [dPredictions]) {
    const scale = (2 * dLoss![0]!) / inputs[0]!.shape[1]!;
    for (let i = 0; i < predictions!.length; i++)
      dPredictions![i] = scale * (predictions![i]! - targets![i]!);
  },
};

/** A loss of the margin 1 - s score, where it is above 0, s = 2 target - 1. */
function marginReference(op: Op<NoParams>, lossOf: (margin: number) => number): ReferenceKernel<NoParams> {
  return {
    op,
    run(_, [scores, targets, weights], [loss, correct]) {
      let sum = 0;
      let hits = 0;
      for (let i = 0; i < scores!.length; i++) {
        const margin = 1 - (2 * targets![i]! - 1) * scores![i]!;
        sum += (weights?.[i] ?? 1) * lossOf(Math.max(0, margin));
        if (scores![i]! > 0 === targets![i]! > 0.5) hits++;
      }
      loss![0] = sum;
      correct![0] = hits;
    },
  };
}

function marginGradReference(
  op: Op<NoParams>,
  slopeOf: (margin: number) => number,
): ReferenceKernel<NoParams> {
  return {
    op,
    run(_, [scores, targets, dLoss], [dScores]) {
      for (let i = 0; i < scores!.length; i++) {
        const sign = 2 * targets![i]! - 1;
        dScores![i] = -dLoss![0]! * sign * slopeOf(Math.max(0, 1 - sign * scores![i]!));
      }
    },
  };
}

export const hingeReference = marginReference(hinge, (margin) => margin);
export const hingeGradReference = marginGradReference(hingeGrad, (margin) => (margin > 0 ? 1 : 0));
export const squaredHingeReference = marginReference(squaredHinge, (margin) => margin ** 2);
export const squaredHingeGradReference = marginGradReference(squaredHingeGrad, (margin) => 2 * margin);
