// The tiles there are, which of them suits a product, and how often its K is split: functions of its shape alone. All have
// one depth, so that a product is split at the same places whichever tile computes it.

import { splitsOf, type Tile } from "./tile.ts";

const DEPTH = 16;

interface RatedTile extends Tile {
  /** Share of the multiply-adds that a GPU full of such tiles gets done, about: the larger, the fewer loads for each. */
  readonly efficiency: number;
}

const RATED_TILES: readonly RatedTile[] = [
  { rows: 128, columns: 128, depth: DEPTH, threadRows: 8, threadColumns: 8, efficiency: 1 },
  { rows: 128, columns: 64, depth: DEPTH, threadRows: 8, threadColumns: 8, efficiency: 0.9 },
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
  const [, , middle] = RATED_TILES as [RatedTile, RatedTile, RatedTile];
  const tiles = tilesOf(middle, extents);
  const wanted = Math.min(Math.ceil((2 * PROCESSORS) / tiles), Math.floor(extents.k / LEAST_SPLIT));
  return tiles >= PROCESSORS || wanted < 2 ? 1 : splitsOf(middle, extents.k, wanted);
}

/** Whether it is the tile of the least cost: that of the multiprocessor that has most to do. */
export function suits(tile: Tile, extents: Extents): boolean {
  const splits = splitsFor(extents);
  const cost = (rated: RatedTile): number =>
    (Math.ceil((tilesOf(rated, extents) * splits) / PROCESSORS) * rated.rows * rated.columns) /
    rated.efficiency;
  const costs = RATED_TILES.map(cost);
  return RATED_TILES[costs.indexOf(Math.min(...costs))] === tile;
}
