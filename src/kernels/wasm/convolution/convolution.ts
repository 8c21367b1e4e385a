// Direct convolution, and its adjoint, over NHWC images: no im2col and no copy of an image. A tile's rows are the same
// pixel of neighbouring images, or neighbouring pixels where there are too few images; its reduction runs over the
// taps that lie inside the image.

import { forRange, increase, repeat, when, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { packFilter } from "./filter-panels.ts";
import { i32, type Body } from "../../../wasm/instructions.ts";
import type { WasmRoutine } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { forPanels } from "../products/panels.ts";
import { balancedPieces } from "../../../wasm/pieces.ts";
import { stretchesOf, type Reach, type Stretch } from "./reach.ts";
import { emitSlidingTile } from "./sliding-tile.ts";
import { isWide, tileRows, TILE_SPILL_BYTES, type TileWidth } from "../products/tile.ts";

export interface Image {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export interface ConvolutionSpec {
  readonly batch: number;
  readonly source: Image;
  readonly output: Image;
  /** Every output is in one of each. */
  readonly vertical: readonly Reach[];
  readonly horizontal: readonly Reach[];
  /** The filter's [height, width]. */
  readonly window: readonly [number, number];
  /** The filter is w[KH,KW,N,C] where C is the source's and N the output's: for the gradient with regard to x. */
  readonly adjoint: boolean;
  /** A third operand: added to every pixel, or of the output's shape and zeroing it where it is not above 0. */
  readonly third: "bias" | "mask" | undefined;
  readonly relu: boolean;
}

/** With fewer images than this, pixels make the better rows of a tile. */
const MINIMUM_IMAGE_ROWS = 4;

export function emitConvolution(
  module: ModuleBuilder,
  spec: ConvolutionSpec,
  tileWidth: TileWidth,
): WasmRoutine {
  const { batch, source, output, third } = spec;
  const panels = packFilter(module, spec, tileWidth);
  const { columns } = panels;
  const maximumRows = tileRows(columns.full > 0 ? tileWidth : columns.rest, tileWidth);
  const rowsAreImages = batch >= MINIMUM_IMAGE_ROWS;
  const groups = balancedPieces(batch, rowsAreImages ? maximumRows : 1);
  const longer = groups[0]!;
  const shorterSize = groups.at(-1)!.size;

  const pixelBytes = source.channels * FLOAT_BYTES;
  const rowBytes = source.width * pixelBytes;
  const imageBytes = source.height * rowBytes;
  const outputPixelBytes = output.channels * FLOAT_BYTES;
  const outputRowBytes = output.width * outputPixelBytes;
  const outputImageBytes = output.height * outputRowBytes;

  const names = panels.parameters;
  const func = module.func(`convolution ${tileWidth} ${JSON.stringify(spec)}`, names, (p, f) => {
    const at = f.named("i32", ["panel", "x", "third", "y", "row", "rowThird", "rowY"]);
    const index = f.named("i32", ["group", "panelOffset", "row"]);
    const spill = p.scratch!;

    /** The tiles of one stretch of outputs along a row: at.row and at.rowY are at its part's first ones. */
    const convolveStretch = (
      width: number,
      partOffset: number,
      images: number,
      [vertical, horizontal]: readonly [Reach, Reach],
      [rows, cells]: readonly [Stretch, Stretch],
    ): Body => {
      const { channels } = source;
      const adjoining = horizontal.spacing === 1;
      const bStep = panels.step(width);
      const tapBytes = channels * bStep;
      const aPixel = horizontal.stride * pixelBytes;
      const taps = Math.max(cells.taps, 1); // without any there are no runs either
      const aRow = rowsAreImages ? imageBytes : aPixel;
      const cPixel = horizontal.outputStep * outputPixelBytes;
      const tiles = rowsAreImages
        ? [{ count: cells.count, size: images }]
        : balancedPieces(cells.count, maximumRows);
      let pixel = 0;
      return tiles.map(({ count, size }) => {
        const tile = emitSlidingTile(module, {
          rows: Array.from({ length: size }, (_, i) => i * aRow),
          width,
          length: (adjoining ? taps : 1) * channels,
          segments: adjoining ? 1 : taps,
          a: {
            step: FLOAT_BYTES,
            segment: horizontal.spacing * pixelBytes,
            run: vertical.spacing * rowBytes,
            tile: rowsAreImages ? aPixel : size * aPixel,
          },
          b: { step: bStep, segment: tapBytes, run: horizontal.taps.length * tapBytes, tile: 0 },
          c: {
            row: rowsAreImages ? outputImageBytes : cPixel,
            tile: rowsAreImages ? cPixel : size * cPixel,
          },
          paired: isWide(tileWidth),
          accumulate: false,
          bias: third === "bias" ? "columns" : undefined,
          relu: spec.relu,
          mask: third === "mask",
        });
        const firstTap = rows.tap * horizontal.taps.length + cells.tap;
        const a = cells.cell * pixelBytes + pixel * aPixel;
        const c = (cells.output + pixel) * cPixel;
        pixel += count * size;
        return tile.call(
          i32.add(at.row, a),
          i32.add(at.panel, (partOffset + firstTap * channels) * bStep),
          i32.add(at.rowY, c),
          third === "bias" ? i32.add(p.third!, index.panelOffset) : 0,
          third === "mask" ? i32.add(at.rowThird, c) : 0,
          spill,
          cells.taps === 0 ? 0 : rows.taps,
          count,
        );
      });
    };
    /** One remainder of rows with one of columns, for one panel. */
    const convolvePart = (
      width: number,
      partOffset: number,
      images: number,
      part: readonly [Reach, Reach],
    ) => {
      const [vertical, horizontal] = part;
      const firstOutput = vertical.outputFirst * outputRowBytes + horizontal.outputFirst * outputPixelBytes;
      const rowStep = vertical.outputStep * outputRowBytes;
      return stretchesOf(vertical).map((rows) => {
        const outputOffset = firstOutput + rows.output * rowStep;
        return [
          at.row.set(i32.add(at.x, rows.cell * rowBytes)),
          at.rowY.set(i32.add(i32.add(at.y, index.panelOffset), outputOffset)),
          third === "mask"
            ? at.rowThird.set(i32.add(i32.add(at.third, index.panelOffset), outputOffset))
            : [],
          repeat(index.row, rows.count, [
            stretchesOf(horizontal).map((cells) =>
              convolveStretch(width, partOffset, images, part, [rows, cells]),
            ),
            increase(at.row, vertical.stride * rowBytes),
            increase(at.rowY, rowStep),
            third === "mask" ? increase(at.rowThird, rowStep) : [],
          ]),
        ];
      });
    };
    const convolveImages = (images: number): Body => [
      at.panel.set(panels.first(p)),
      forPanels(columns, index.panelOffset, at.panel, panels.panelBytes, (width) =>
        panels.parts.map(({ reaches, offset }) => convolvePart(width, offset, images, reaches)),
      ),
    ];

    const firstImage = i32.add(
      i32.mul(index.group, shorterSize),
      groups.length === 1 ? 0 : i32.select(i32.ltU(index.group, longer.count), index.group, longer.count),
    );
    return forRange(index.group, p.begin!, p.end!, 1, [
      at.x.set(i32.add(p.x!, i32.mul(firstImage, imageBytes))),
      at.y.set(i32.add(p.y!, i32.mul(firstImage, outputImageBytes))),
      third === "mask" ? at.third.set(i32.add(p.third!, i32.mul(firstImage, outputImageBytes))) : [],
      groups.length === 1
        ? convolveImages(longer.size)
        : when(i32.ltU(index.group, longer.count), convolveImages(longer.size), convolveImages(shorterSize)),
    ]);
  });
  const extent = groups.reduce((sum, { count }) => sum + count, 0);
  return {
    phases: [...panels.phases, { func, extent, grain: 1 }],
    sharedBytes: panels.sharedBytes,
    scratchBytes: TILE_SPILL_BYTES,
  };
}
