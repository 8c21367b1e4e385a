// The tiles there are, which of them suits a product, and how often its K is split: functions of its shape alone. All have
// one depth, so that a product is split at the same places whichever tile computes it.

import { assert } from "../../../errors.ts";
import type { WebGpuTarget } from "../kernel.ts";
import { fits, splitsOf, type Tile } from "./tile.ts";

const DEPTH = 16;
const LEAST_SIDE = 32;

interface RatedTile extends Tile {
  /** Share of the multiply-adds that a GPU full of such tiles gets done, about: the larger, the fewer loads for each. */
  readonly efficiency: number;
}

const RATED_TILES: readonly RatedTile[] = [
  { rows: 128, columns: 128, depth: DEPTH, threadRows: 8, threadColumns: 8, efficiency: 1 },
  { rows: 64, columns: 64, depth: DEPTH, threadRows: 8, threadColumns: 4, efficiency: 0.8 },
  { rows: 128, columns: 32, depth: DEPTH, threadRows: 8, threadColumns: 4, efficiency: 0.6 },
  { rows: 32, columns: 128, depth: DEPTH, threadRows: 4, threadColumns: 8, efficiency: 0.6 },
  { rows: 32, columns: 32, depth: DEPTH, threadRows: 4, threadColumns: 4, efficiency: 0.4 },
];

export const TILES: readonly Tile[] = RATED_TILES;

/** Multiprocessors of a large GPU (an H100 has 132): WebGPU does not tell how many there are. */
const PROCESSORS = 132;
/** Of K for each split, at least: what the second pass costs must be worth it. */
const LEAST_SPLIT = 128;

interface Extents {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

function tilesOf({ rows, columns }: Tile, { m, n }: Extents): number {
  return Math.ceil(m / rows) * Math.ceil(n / columns);
}

/** So many that a GPU is full with tiles of middle size. */
export function splitsFor(extents: Extents): number {
  const [, middle] = RATED_TILES as [RatedTile, RatedTile];
  const tiles = tilesOf(middle, extents);
  const wanted = Math.min(Math.ceil((2 * PROCESSORS) / tiles), Math.floor(extents.k / LEAST_SPLIT));
  return tiles >= PROCESSORS || wanted < 2 ? 1 : splitsOf(middle, extents.k, wanted);
}

/**
 * Rows or columns that fill a small part of any tile, or so little work that few tiles would be busy for long: many teams
 * have done before one tile has walked along K.
 */
export function isNarrow({ m, n, k }: Extents): boolean {
  return Math.min(m, n) <= 8 || m * n * k <= 2 ** 22;
}

/** Whether more than half of each side is of use, of a product that is not tiny: else a smaller one does the same. */
export function isWorth({ rows, columns }: Tile, { m, n, k }: Extents): boolean {
  const half = (side: number): number => (side === LEAST_SIDE ? 8 : side / 2);
  return m * n * k > 2 ** 17 && m > half(rows) && n > half(columns);
}

/** Whether half of a large GPU has a block each. */
export function isLarge(
  { m, n }: Extents,
  { rows, columns }: Readonly<Record<"rows" | "columns", number>>,
): boolean {
  return Math.floor(m / rows) * Math.floor(n / columns) >= PROCESSORS / 2;
}

/** The tile of the least cost: that of the multiprocessor that has most to do. */
export function leastCostly(extents: Extents, target: WebGpuTarget, splits = 1): Tile {
  const cost = (tile: RatedTile): number =>
    (Math.ceil((tilesOf(tile, extents) * splits) / PROCESSORS) * tile.rows * tile.columns) / tile.efficiency;
  const fitting = RATED_TILES.filter((tile) => fits(tile, target));
  const worth = fitting.filter((tile) => isWorth(tile, extents));
  const candidates = worth.length > 0 ? worth : fitting;
  const costs = candidates.map(cost);
  const best = candidates[costs.indexOf(Math.min(...costs))];
  assert(best !== undefined, `no tile fits into ${target.workgroupBytes} bytes`);
  return best;
}
