// Workgroups that stand over a tile of columns of a matrix x[rows, columns], several invocations to a column: each adds up
// every so many rows, and workgroup memory adds up theirs, pairwise and in an order that the extents alone decide.

import type { WebGpuPass } from "../kernel.ts";
import type { Channels } from "./channels.ts";

const INVOCATIONS = 256;
/** Units of 16 bytes: neighbours read 256 bytes of a row at once. */
const MOST_ACROSS = 16;

export interface ColumnTile {
  readonly channels: Channels;
  /** Units that the tile is wide, a power of two: `local.x`. */
  readonly across: number;
  /** Invocations to a column, a power of two: `local.y`. */
  readonly down: number;
}

/** For columns that are `rows` long in one workgroup. */
export function columnTile(channels: Channels, rows: number): ColumnTile {
  const across = Math.min(MOST_ACROSS, powerOfTwo(channels.units));
  return { channels, across, down: Math.min(INVOCATIONS / across, powerOfTwo(rows)) };
}

/** The least that is no less. */
function powerOfTwo(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

/** Workgroups side by side that cover all columns. */
export function tilesAcross({ channels, across }: ColumnTile): number {
  return Math.ceil(channels.units / across);
}

export interface ColumnTilePass {
  readonly tile: ColumnTile;
  readonly bindings: WebGpuPass["bindings"];
  /** Functions, constants and workgroup memory. */
  readonly module: string;
  /**
   * What each invocation does: `c` is its column (a unit), `inside` whether there is such a one, `local.x` and `local.y`
   * its place in the tile, `group.y` and `group.z` the workgroup's. Barriers are allowed: nobody returns before the end.
   */
  readonly body: string;
  readonly workgroups: readonly [y: number, z: number];
}

export function columnTilePass({ tile, bindings, module, body, workgroups }: ColumnTilePass): WebGpuPass {
  const { across, down, channels } = tile;
  return {
    wgsl: `${module}
@compute @workgroup_size(${across}, ${down})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let c = group.x * ${across}u + local.x;
  let inside = c < ${channels.units}u;
  ${body}
}`,
    bindings,
    workgroups: [tilesAcross(tile), ...workgroups],
  };
}

/** Workgroup memory for `tileSums` of these variables. */
export function tileSumsMemory(tile: ColumnTile, names: readonly string[]): string {
  return names
    .map(
      (name) =>
        `var<workgroup> tile_${name}: array<array<${tile.channels.type}, ${tile.across}>, ${tile.down}>;`,
    )
    .join("\n");
}

/** Statements that add up each variable over the invocations of a column: `tile_<name>[0][local.x]` is the sum, for all. */
export function tileSums({ down }: ColumnTile, names: readonly string[]): string {
  const each = (statement: (name: string) => string) => names.map(statement).join(" ");
  return `${each((name) => `tile_${name}[local.y][local.x] = ${name};`)}
  workgroupBarrier();
  for (var half = ${down / 2}u; half > 0u; half >>= 1u) {
    if (local.y < half) { ${each((name) => `tile_${name}[local.y][local.x] += tile_${name}[local.y + half][local.x];`)} }
    workgroupBarrier();
  }`;
}
