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
  softmaxCrossEntropyWithGrad,
  squaredHinge,
  squaredHingeGrad,
} from "../ops/losses.ts";
import { softmaxRow } from "./softmax.ts";

export const softmaxCrossEntropyReference: ReferenceKernel<NoParams> = {
  op: softmaxCrossEntropy,
  run({ inputs }, [logits, labels], [loss, correct]) {
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
      sum += logSum - (row[label]! - maximum);
      if (row.indexOf(maximum) === label) hits++;
    }
    loss![0] = sum;
    correct![0] = hits;
  },
};

export const softmaxCrossEntropyGradReference: ReferenceKernel<NoParams> = {
  op: softmaxCrossEntropyGrad,
  run({ inputs }, [logits, labels, dLoss], [dLogits]) {
    const [B, C] = inputs[0]!.shape as [number, number];
    for (let b = 0; b < B; b++) {
      const probabilities = softmaxRow(logits!, b, C);
      for (let c = 0; c < C; c++)
        dLogits![b * C + c] = dLoss![0]! * (probabilities[c]! - (labels![b] === c ? 1 : 0));
    }
  },
};

export const softmaxCrossEntropyWithGradReference: ReferenceKernel<NoParams> = {
  op: softmaxCrossEntropyWithGrad,
  run(call, [logits, labels], [loss, correct, dLogits]) {
    softmaxCrossEntropyReference.run(call, [logits!, labels!], [loss!, correct!]);
    softmaxCrossEntropyGradReference.run(call, [logits!, labels!, Float64Array.of(1)], [dLogits!]);
  },
};

export const sigmoidCrossEntropyReference: ReferenceKernel<NoParams> = {
  op: sigmoidCrossEntropy,
  run(_, [logits, targets], [loss, correct]) {
    let sum = 0;
    let hits = 0;
    for (let i = 0; i < logits!.length; i++) {
      const z = logits![i]!;
      const target = targets![i]!;
      // -target log(sigmoid(z)) - (1 - target) log(1 - sigmoid(z)) without overflow
      sum += Math.max(z, 0) - z * target + Math.log1p(Math.exp(-Math.abs(z)));
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
  run({ inputs }, [predictions, targets], [loss, correct]) {
    let sum = 0;
    for (let i = 0; i < predictions!.length; i++) sum += (predictions![i]! - targets![i]!) ** 2;
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
    run(_, [scores, targets], [loss, correct]) {
      let sum = 0;
      let hits = 0;
      for (let i = 0; i < scores!.length; i++) {
        sum += lossOf(Math.max(0, 1 - (2 * targets![i]! - 1) * scores![i]!));
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
