// Numbers that no model can use are refused where they are read: a loss that is no number tells nobody where it came from.

import { SltrainError } from "../../errors.ts";
import type { DenseRows } from "../rows.ts";

export interface RowsPlace {
  /** The file, or the array in it. */
  readonly where: string;
  /** What the format calls a row. */
  readonly unit: "record" | "row";
  /** Of the first of the rows, in the file. */
  readonly firstRow: number;
}

/** `values` (rows, width). @throws SltrainError "data-nan" naming the first row and element that is not finite. */
export function refuseNonFinite(
  values: DenseRows | Float64Array,
  width: number,
  { where, unit, firstRow }: RowsPlace,
): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  throw new SltrainError({
    code: "data-nan",
    message:
      `${where}: ${unit} ${firstRow + Math.floor(bad / width)}, element ${bad % width}: expected a finite number that f32 ` +
      `can hold, got ${values[bad]}`,
    suggestions: [`Remove the ${unit} or replace the value.`],
  });
}
