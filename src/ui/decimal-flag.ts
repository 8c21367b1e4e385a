// A flag that takes a number, which oclif has no kind for.

import { Flags } from "@oclif/core";
import { SltrainError } from "../errors.ts";

export const decimalFlag = Flags.custom<number, { readonly min: number; readonly max?: number }>({
  helpValue: "x",
  parse: (text, _, { name, min, max = Infinity }) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value >= min && value <= max)
      return Promise.resolve(value);
    throw new SltrainError({
      code: "flag-invalid",
      message: `--${name}: expected a number from ${min}${max < Infinity ? ` to ${max}` : ""}, got "${text}"`,
    });
  },
});
