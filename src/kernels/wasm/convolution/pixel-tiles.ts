// A row of outputs cut into tiles of neighbouring pixels, and the products of each, borders included: decided when code
// is written, so that neither a test at run time nor a border of zeros is needed.

import { balancedPieces } from "../../../wasm/pieces.ts";
import type { Reach } from "./reach.ts";

/** One product of a row: what tap `tap` (an index) of the tile's pixel `pixel` meets. */
export interface Product {
  readonly pixel: number;
  readonly tap: number;
}

/** `count` tiles next to each other that differ in nothing but their place. */
export interface PixelTiles {
  readonly count: number;
  /** Index of the first tile's first output. */
  readonly output: number;
  readonly pixels: number;
  /** The source's cell that the first tile begins to read at. */
  readonly cell: number;
  /** By cell of the source from there on; a pixel's taps, and a tap's pixels, come in their order. */
  readonly products: readonly (readonly Product[])[];
}

/** Tiles of at most `maximumPixels`, of about equal sizes. */
export function pixelTiles(reach: Reach, maximumPixels: number): readonly PixelTiles[] {
  const tiles: PixelTiles[] = [];
  let output = 0;
  for (const { count, size } of balancedPieces(reach.outputs, maximumPixels))
    for (let piece = 0; piece < count; piece++) {
      const next = { count: 1, output, pixels: size, ...productsOf(reach, output, size) };
      const last = tiles.at(-1);
      if (last !== undefined && isRepeated(last, next, reach.stride))
        tiles[tiles.length - 1] = { ...last, count: last.count + 1 };
      else tiles.push(next);
      output += size;
    }
  return tiles;
}

function productsOf({ extent, first, stride, spacing, taps }: Reach, output: number, pixels: number) {
  const all = Array.from({ length: pixels }, (_, pixel) =>
    taps.map((__, tap) => ({ pixel, tap, at: first + (output + pixel) * stride + tap * spacing })),
  )
    .flat()
    .filter(({ at }) => at >= 0 && at < extent);
  const cells = all.map(({ at }) => at);
  const cell = Math.max(0, Math.min(...cells, extent));
  const products = Array.from({ length: Math.max(0, Math.max(...cells, -1) - cell + 1) }, (_, offset) =>
    all.filter(({ at }) => at === cell + offset).map(({ pixel, tap }) => ({ pixel, tap })),
  );
  return { cell, products };
}

function isRepeated(earlier: PixelTiles, next: PixelTiles, stride: number): boolean {
  return (
    earlier.pixels === next.pixels &&
    next.cell - earlier.cell === earlier.count * earlier.pixels * stride &&
    JSON.stringify(earlier.products) === JSON.stringify(next.products)
  );
}
