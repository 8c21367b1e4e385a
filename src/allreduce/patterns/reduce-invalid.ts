// What a user hears of a reduce pattern that cannot be.

import { SltrainError } from "../../errors.ts";

export function reduceInvalid(
  got: string,
  expected: string,
  suggestions: readonly string[] = [],
): SltrainError {
  return new SltrainError({
    code: "reduce-invalid",
    message: `reduce: expected ${expected}, but got ${JSON.stringify(got)}`,
    suggestions,
  });
}
