// The rows of a tall matrix x[rows, columns], cut into slices that workgroups take side by side. What needs sums over all
// rows leaves those of its slice in a first pass, and joins all slices' in the second, where each workgroup goes over its
// slice again: cheaper than a pass in between. A matrix of few rows is one slice, and one pass is all.

import { columnTile, columnTilePass, tilesAcross, type ColumnTile } from "../emit/column-tile.ts";
import type { Channels } from "../emit/channels.ts";
import type { WebGpuPass, WebGpuTarget } from "../kernel.ts";

/** Two for each multiprocessor of an H100. A constant, for sums must not depend on the adapter; each workgroup joins so many slices. */
const WANTED_WORKGROUPS = 264;
/** Rows that an invocation reads at least before a second pass pays. */
const LEAST_ROWS = 8;

export interface RowSlices {
  readonly tile: ColumnTile;
  readonly rows: number;
  /** In one slice; the last has what is left. */
  readonly perSlice: number;
  readonly slices: number;
}

export function rowSlices(channels: Channels, rows: number): RowSlices {
  const tile = columnTile(channels, rows);
  const wanted = Math.ceil(WANTED_WORKGROUPS / tilesAcross(tile));
  const perSlice = Math.max(Math.ceil(rows / wanted), LEAST_ROWS * tile.down);
  return { tile, rows, perSlice, slices: Math.ceil(rows / perSlice) };
}

/** A workgroup for each slice and tile of columns; `body` sees what `columnTilePass` says, and its slice's `begin` and `end`. */
export function slicePass(
  slices: RowSlices,
  bindings: WebGpuPass["bindings"],
  body: string,
  target: WebGpuTarget,
): WebGpuPass {
  const { tile, rows, perSlice } = slices;
  return columnTilePass(
    {
      tile,
      bindings,
      body: `let begin = group.y * ${perSlice}u;
  let end = min(begin + ${perSlice}u, ${rows}u);
  ${body}`,
      workgroups: [slices.slices, 1],
    },
    target,
  );
}

/** Statements over the rows of the slice that are this invocation's; `visit` sees `row`, and the index `i` of its unit. */
export function overOwnRows({ tile }: RowSlices, visit: string): string {
  return `if (inside) {
    for (var row = begin + down; row < end; row += ${tile.down}u) {
      let i = row * ${tile.channels.units}u + c;
      ${visit}
    }
  }`;
}

/** Statements over the slices whose sums this invocation joins; `visit` sees `slice`, and the index `p` of its column there. */
export function overSlices({ tile, slices }: RowSlices, visit: string): string {
  return `if (inside) {
    for (var slice = down; slice < ${slices}u; slice += ${tile.down}u) {
      let p = slice * ${tile.channels.units}u + c;
      ${visit}
    }
  }`;
}
