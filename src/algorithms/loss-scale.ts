// Dynamic loss scaling (Micikevicius et al. 2018, "Mixed Precision Training", section 3.2): where products round their
// operands to f16, the loss's gradient is multiplied by a scale, so that small gradients do not vanish on their way back.
// A step in which a gradient overflows is skipped by all ranks, and the scale halved; after many good ones it is doubled.
// All ranks follow what the round's scalars told them, so they hold the same scale.

import type { TrainConfig } from "../config/schema.ts";
import { SltrainError } from "../errors.ts";
import type { NamedArrays } from "./algorithm.ts";

/** Gradients are of a sum over samples: PyTorch's 2^16, of a mean, is as much for a batch of eight. */
const FIRST_SCALE = 2 ** 13;
/** A larger one would bring nothing, for f16 holds gradients down to 2^-24. */
const LARGEST_SCALE = 2 ** 24;
/** In a row, before the scale is doubled: as in Apex and PyTorch. */
const STEPS_TO_DOUBLE = 2000;

const STATE_NAME = "loss-scale";

/** Whether a run's ranks do. */
export function scalesLoss({ precision }: Pick<TrainConfig, "precision">): boolean {
  return precision === "f16";
}

export class LossScale {
  #scale = FIRST_SCALE;
  #goodSteps = 0;

  /** A power of two, so that scaling alone rounds nothing. */
  get scale(): number {
    return this.#scale;
  }

  /**
   * Divides gradients of the scaled loss by the scale, in place. If one of them is not finite, false: all are zero then, so
   * that no codec sees it.
   */
  unscale(gradients: Float32Array): boolean {
    const inverse = 1 / this.#scale;
    let notFinite = 0;
    for (let i = 0; i < gradients.length; i++) {
      const value = gradients[i]! * inverse;
      gradients[i] = value;
      // Infinity - Infinity and NaN - NaN are NaN, and so is every sum with it.
      notFinite += value - value;
    }
    if (notFinite === 0) return true;
    gradients.fill(0);
    return false;
  }

  /**
   * After every step, with how many ranks' gradients were not finite. Throws "gradients-not-finite" where no scale is to
   * blame.
   */
  follow(overflows: number): void {
    if (overflows > 0) {
      if (this.#scale === 1)
        throw new SltrainError({
          code: "gradients-not-finite",
          message: "expected finite gradients, got others on a rank or more, though the loss was not scaled",
          suggestions: ["Lower --lr, check the data for extreme values, or leave out --precision f16."],
        });
      this.#scale /= 2;
      this.#goodSteps = 0;
    } else if (++this.#goodSteps === STEPS_TO_DOUBLE) {
      this.#scale = Math.min(2 * this.#scale, LARGEST_SCALE);
      this.#goodSteps = 0;
    }
  }

  /** Equal on all ranks. */
  get state(): NamedArrays {
    return { [STATE_NAME]: Float32Array.of(this.#scale, this.#goodSteps) };
  }

  /** Takes its part of an algorithm's shared state, and returns the rest. */
  restore(shared: NamedArrays): NamedArrays {
    const { [STATE_NAME]: own, ...others } = shared;
    if (own !== undefined) [this.#scale, this.#goodSteps] = own as unknown as [number, number];
    return others;
  }
}
