// Numbers that no model can use are refused where they are read, or their rows left out: a loss that is no number tells
// nobody where it came from.

import { SltrainError } from "../../errors.ts";
import type { DenseRows, RowBlock } from "../rows.ts";

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
    suggestions: [
      `Remove the ${unit} or replace the value.`,
      ...(unit === "row" ? ["Leave such rows out: --on-bad-record skip"] : []),
    ],
  });
}

/** Dense rows, as most readers make them. */
export type DenseBlock = RowBlock & { readonly features: DenseRows };

/** The rows of `block` whose features and label are finite, in their order; the same block if all are. */
export function finiteRowsOf(block: DenseBlock): DenseBlock {
  const { count, features, labels } = block;
  const width = features.length / count;
  const isFinite = (row: number) =>
    Number.isFinite(labels[row]) &&
    (features instanceof Uint8Array ||
      features.subarray(row * width, (row + 1) * width).every((value) => Number.isFinite(value)));
  return keepRows(block, isFinite);
}

/** The rows that `isGood`, in their order; the same block if all are. */
export function keepRows(block: DenseBlock, isGood: (row: number) => boolean): DenseBlock {
  const { count, features, labels } = block;
  const width = features.length / count;
  let kept = 0;
  for (let row = 0; row < count; row++) {
    if (!isGood(row)) continue;
    if (kept < row) {
      features.copyWithin(kept * width, row * width, (row + 1) * width);
      labels[kept] = labels[row]!;
    }
    kept++;
  }
  if (kept === count) return block;
  return { count: kept, features: features.slice(0, kept * width), labels: labels.slice(0, kept) };
}
