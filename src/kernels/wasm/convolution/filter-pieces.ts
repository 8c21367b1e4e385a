// How the gradient with regard to a filter is cut into tiles: pieces of the filter's rows (tap and channel), and blocks
// of the image's rows.

import type { Border } from "./border.ts";
import type { Image } from "./convolution.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { balancedPieces } from "../../../wasm/pieces.ts";
import { reachedOutputs, type OutputRange, type Reach } from "./reach.ts";

export interface FilterGradientSpec {
  readonly batch: number;
  /** x, and dy. */
  readonly source: Image;
  readonly output: Image;
  /** The filter's [height, width]. */
  readonly window: readonly [number, number];
  readonly vertical: Reach;
  readonly horizontal: Reach;
}

/** Neighbouring tiles of one tap, or a tile that spans several taps. */
export interface FilterPiece {
  /** The first row of dw, which has KH * KW * C. */
  readonly filterRow: number;
  readonly tiles: number;
  /** Bytes in x from a tile's first row to each of its rows. */
  readonly rows: readonly number[];
  /** Bytes from an image's start to what the first row meets at the first of `pixels` of output row 0; negative above it. */
  readonly offset: number;
  /** The outputs whose taps lie inside the image. */
  readonly lines: OutputRange;
  readonly pixels: OutputRange;
}

/** With fewer channels than this, tiles of one tap's channels are too small. */
const MINIMUM_TAP_CHANNELS = 12;

/** `image`: the images that the pieces are laid out for. */
export function filterPieces(
  spec: FilterGradientSpec,
  maximumRows: number,
): { readonly image: Border; readonly pieces: readonly FilterPiece[] } {
  const { source } = spec;
  if (source.channels < MINIMUM_TAP_CHANNELS) return spanningPieces(spec, maximumRows);
  const image = { ...source, top: 0, left: 0, outerHeight: source.height, outerWidth: source.width };
  return { image, pieces: tapPieces(spec, maximumRows) };
}

function tapPieces({ source, vertical, horizontal }: FilterGradientSpec, maximumRows: number) {
  const { channels } = source;
  return vertical.taps.flatMap((row) =>
    horizontal.taps.flatMap((column) => {
      const lines = reachedOutputs(vertical, row);
      const pixels = reachedOutputs(horizontal, column);
      const line = vertical.first + row * vertical.spacing;
      const cell = horizontal.first + column * horizontal.spacing + pixels.first * horizontal.stride;
      let channel = 0;
      return balancedPieces(channels, maximumRows).map(({ count, size }): FilterPiece => {
        const first = channel;
        channel += count * size;
        return {
          filterRow: (row * horizontal.taps.length + column) * channels + first,
          tiles: count,
          rows: Array.from({ length: size }, (_, i) => i * FLOAT_BYTES),
          offset: ((line * source.width + cell) * channels + first) * FLOAT_BYTES,
          lines,
          pixels,
        };
      });
    }),
  );
}

function spanningPieces({ source, output, vertical, horizontal }: FilterGradientSpec, maximumRows: number) {
  const outer = ({ first, stride, spacing, taps, extent }: Reach, outputs: number) =>
    Math.max(extent - first, (outputs - 1) * stride + (taps.length - 1) * spacing + 1);
  const image: Border = {
    ...source,
    top: -vertical.first,
    left: -horizontal.first,
    outerHeight: outer(vertical, output.height),
    outerWidth: outer(horizontal, output.width),
  };
  const offsets = vertical.taps.flatMap((row) =>
    horizontal.taps.flatMap((column) =>
      Array.from({ length: source.channels }, (_, channel) => {
        const pixel = row * vertical.spacing * image.outerWidth + column * horizontal.spacing;
        return (pixel * source.channels + channel) * FLOAT_BYTES;
      }),
    ),
  );
  let filterRow = 0;
  const pieces = balancedPieces(offsets.length, maximumRows)
    .flatMap(({ count, size }) => new Array<number>(count).fill(size))
    .map((size): FilterPiece => {
      const rows = offsets.slice(filterRow, filterRow + size);
      const offset = rows[0]!;
      filterRow += size;
      return {
        filterRow: filterRow - size,
        tiles: 1,
        rows: rows.map((row) => row - offset),
        offset,
        lines: { first: 0, count: output.height },
        pixels: { first: 0, count: output.width },
      };
    });
  return { image, pieces };
}

/** `count` neighbouring blocks of `lines` lines of the output, which the pieces reach alike. */
export interface LineBlocks {
  readonly count: number;
  readonly lines: number;
  /** By piece: the lines of a block that it reaches. */
  readonly reached: readonly OutputRange[];
}

export function lineBlocks(
  outputLines: number,
  maximumLines: number,
  pieces: readonly FilterPiece[],
): readonly LineBlocks[] {
  const blocks: LineBlocks[] = [];
  let begin = 0;
  for (const { count, size } of balancedPieces(outputLines, maximumLines))
    for (let block = 0; block < count; block++) {
      const reached = pieces.map(({ lines }): OutputRange => {
        const first = Math.max(lines.first, begin);
        const end = Math.min(lines.first + lines.count, begin + size);
        return end > first ? { first: first - begin, count: end - first } : { first: 0, count: 0 };
      });
      begin += size;
      const last = blocks.at(-1);
      if (
        last !== undefined &&
        last.lines === size &&
        JSON.stringify(last.reached) === JSON.stringify(reached)
      )
        blocks[blocks.length - 1] = { ...last, count: last.count + 1 };
      else blocks.push({ count: 1, lines: size, reached });
    }
  return blocks;
}
