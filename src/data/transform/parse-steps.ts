// `standardise,l2-norm,hash:18` as steps.

import { SltrainError } from "../../errors.ts";
import { nearestName } from "../../nearest-name.ts";
import { l2Norm, minMax, standardise } from "./scale.ts";
import { hashColumns, oneHot } from "./spread.ts";
import type { Step } from "./step.ts";
import { tfIdf } from "./tf-idf.ts";

const MAX_HASH_BITS = 28;

export interface StepForm {
  /** How it is written. */
  readonly form: string;
  readonly description: string;
  /** Undefined for an argument that is none. */
  readonly make: (argument: string | undefined) => Step | undefined;
}

const plain = (step: Step) => (argument: string | undefined) => (argument === undefined ? step : undefined);

export const STEPS: Readonly<Record<string, StepForm>> = {
  standardise: {
    form: "standardise",
    description: "columns to mean 0 and deviation 1; sparse ones to that scale, without being centred",
    make: plain(standardise),
  },
  "min-max": { form: "min-max", description: "columns to 0..1", make: plain(minMax) },
  "l2-norm": { form: "l2-norm", description: "each row to Euclidean norm 1", make: plain(l2Norm) },
  "tf-idf": {
    form: "tf-idf",
    description: "counts by how rare their column is, each row then to norm 1, as scikit-learn's defaults",
    make: plain(tfIdf),
  },
  hash: {
    form: "hash:BITS",
    description: "columns into 2^BITS sparse ones; what falls together adds up",
    make: (argument) => {
      const bits = Number(argument);
      return Number.isInteger(bits) && bits >= 1 && bits <= MAX_HASH_BITS ? hashColumns(bits) : undefined;
    },
  },
  "one-hot": {
    form: "one-hot[:COLUMN+COLUMN…]",
    description: "columns of whole numbers into one column for each value; default all of them",
    make: (argument) => oneHot(argument === undefined ? [] : argument.split("+")),
  },
};

/** @throws SltrainError "data-transform" naming the step that is none */
export function parseSteps(text: string): Step[] {
  return text.split(",").map((spec) => {
    const colon = spec.indexOf(":");
    const name = (colon < 0 ? spec : spec.slice(0, colon)).trim();
    const known = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
    const step = known?.make(colon < 0 ? undefined : spec.slice(colon + 1).trim());
    if (step) return step;
    const near = known ? undefined : nearestName(name, Object.keys(STEPS));
    throw new SltrainError({
      code: "data-transform",
      message: `--steps: expected ${
        known?.form ??
        Object.values(STEPS)
          .map(({ form }) => form)
          .join(", ")
      }, got "${spec}"`,
      suggestions:
        near === undefined
          ? ["Separate steps by commas: --steps standardise,l2-norm."]
          : [`Did you mean ${near}?`],
    });
  });
}
