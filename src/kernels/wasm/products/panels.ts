// The columns of a product's right operand, cut into panels of the tile's width: packed one [K x width] block after
// the other in scratch, or read in place where packing does not pay.

import { forRange, increase, type Local } from "../../../wasm/emitter.ts";
import type { Body } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, VECTOR_BYTES, VECTOR_FLOATS } from "../../../wasm/lanes.ts";

/** The columns of a matrix cut into panels: `full` of `width`, then one of `rest` (0: none). */
export interface Columns {
  readonly width: number;
  readonly full: number;
  readonly rest: number;
}

export function columnsOf(count: number, width: number): Columns {
  return { width, full: Math.floor(count / width), rest: count % width };
}

/** Widths that occur. */
export function widthsOf({ width, full, rest }: Columns): readonly number[] {
  return [...(full > 0 ? [width] : []), ...(rest > 0 ? [rest] : [])];
}

/** Bytes of one step of the reduction within a packed panel of this width. */
export function packedStep(width: number): number {
  return Math.ceil(width / VECTOR_FLOATS) * VECTOR_BYTES;
}

export function packedBytes(columns: Columns, steps: number): number {
  return steps * (columns.full * packedStep(columns.width) + packedStep(columns.rest));
}

/**
 * Runs `body` for each panel. `offset` holds the bytes from a matrix row's first column to the panel's (of c, of the
 * bias, of b in place), `packed` the address of the packed panel, if `packedPanelBytes` is the size of a full one.
 */
export function forPanels(
  columns: Columns,
  offset: Local<"i32">,
  packed: Local<"i32">,
  packedPanelBytes: number,
  body: (width: number) => Body,
): Body {
  const { width, full, rest } = columns;
  const advance = increase(packed, packedPanelBytes);
  return [
    forRange(offset, 0, full * width * FLOAT_BYTES, width * FLOAT_BYTES, [body(width), advance]),
    rest === 0 ? [] : body(rest),
  ];
}
