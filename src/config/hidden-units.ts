// The hidden layers of a model that is made of them (`hidden`): how many units each has.

import { SltrainError } from "../errors.ts";

const MOST_UNITS = 1 << 20;

/** Throws SltrainError "hidden-invalid". */
export function parseHidden(spec: string): readonly number[] {
  const units = spec.split(",").map((word) => (/^ *\d+ *$/.test(word) ? Number(word) : 0));
  if (units.every((count) => count >= 1 && count <= MOST_UNITS)) return units;
  throw new SltrainError({
    code: "hidden-invalid",
    message: `expected the units of each hidden layer between commas, got ${JSON.stringify(spec)}`,
    suggestions: ["Two layers of 512 and 256 units: 512,256."],
  });
}
