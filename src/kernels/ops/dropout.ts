// Inverted dropout whose mask is a function of seed, step, layer, the sample's index in the global batch and the
// element: it does not depend on how many workers share the batch, and the gradient recomputes it.

import { SltrainError } from "../../errors.ts";
import { hashName } from "../../random.ts";
import type { Op } from "../op.ts";
import { elementCount } from "../tensor.ts";
import { bindShapes } from "./shapes.ts";

export interface DropoutParams {
  /** Share of elements that become 0, in [0, 1). */
  readonly rate: number;
  /** Tells the dropout layers of a model apart. */
  readonly layer: number;
}

/** Second word of the Philox key; the first is the seed. */
export const DROPOUT_KEY = hashName("dropout");

/** An element is kept if the high 24 bits of its random word are at least this. */
export function dropoutThreshold(rate: number): number {
  return Math.round(rate * 0x1000000);
}

/**
 * (x[B,...], counters i32[4] = [step, index of row 0 in the global batch, seed, 0]) -> y = keep ? x / (1 - rate) : 0.
 * Element e of row i takes word e % 4 of the Philox block with counter (floor(e / 4), step, counters[1] + i, layer).
 */
export const dropout: Op<DropoutParams> = {
  name: "dropout",
  infer(inputs, { rate }) {
    bindShapes("dropout", inputs, { x: "B ...", counters: "i32 4" });
    if (!(rate >= 0 && rate < 1))
      throw new SltrainError({
        code: "bad-params",
        message: `dropout: rate = ${rate} but expected 0 <= rate < 1`,
      });
    return [inputs[0]!];
  },
  flops: (inputs) => elementCount(inputs[0]!),
  inPlace: [0],
  // Linear in x: the same mask and scale carry dy back.
  vjp: ({ inputs, outputGrads, params, add }) => [
    add(dropout, [outputGrads[0]!, inputs[1]!], params)[0],
    undefined,
  ],
};
