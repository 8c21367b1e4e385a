// Workgroups that stand over a tile of columns of matrices x[rows, columns], several invocations to a column, each of which
// reads every so many rows; whatever they add up, all of the column then have.

import type { WebGpuPass, WebGpuTarget } from "../kernel.ts";
import type { Channels } from "./channels.ts";
import { powerOfTwo, reduceDirective, reduceFunction, sumOf } from "./reduce.ts";

const INVOCATIONS = 256;
/** Of 16 bytes: neighbours read 256 bytes of a row at once. */
const MOST_UNITS_ACROSS = 16;

export interface ColumnTile {
  readonly channels: Channels;
  /** Units that the tile is wide, a power of two. */
  readonly across: number;
  /** Invocations to a column, a power of two. */
  readonly down: number;
}

/** For columns of which a workgroup handles `rows` elements. */
export function columnTile(channels: Channels, rows: number): ColumnTile {
  const across = Math.min(MOST_UNITS_ACROSS, powerOfTwo(channels.units));
  return { channels, across, down: Math.min(INVOCATIONS / across, powerOfTwo(rows)) };
}

/** Workgroups side by side that cover all columns. */
export function tilesAcross({ channels, across }: ColumnTile): number {
  return Math.ceil(channels.units / across);
}

export interface ColumnTilePass {
  readonly tile: ColumnTile;
  readonly bindings: WebGpuPass["bindings"];
  /**
   * What each invocation does: `c` is its column (a unit), `inside` whether there is such a one, `down` its place in the
   * column, and `group.y` and `group.z` are the workgroup's. `add_down(value, thread)` adds up over the column; all must
   * call it, so that nobody may return before.
   */
  readonly body: string;
  readonly workgroups: readonly [y: number, z: number];
}

export function columnTilePass(
  { tile, bindings, body, workgroups }: ColumnTilePass,
  target: WebGpuTarget,
): WebGpuPass {
  const { across, down, channels } = tile;
  const workgroup = across * down;
  const add = reduceFunction(
    { name: "add_down", type: channels.type, combine: sumOf },
    { lanes: down, stride: across, workgroup },
    target,
  );
  return {
    wgsl: `${reduceDirective(target)}${add}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let c = group.x * ${across}u + thread % ${across}u;
  let down = thread / ${across}u;
  let inside = c < ${channels.units}u;
  ${body}
}`,
    bindings,
    workgroups: [tilesAcross(tile), ...workgroups],
  };
}
