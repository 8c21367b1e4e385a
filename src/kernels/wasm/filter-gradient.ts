// The gradient of a convolution with regard to its filter, dw[KH,KW,C,N]: for every image the product of its windows,
// transposed, with dy. A tile's rows are neighbouring taps (contiguous in a bordered image), its reduction runs over
// the output pixels. Images are added up in the order of the batch.

import { forRange, increase, when, type FunctionRef, type ModuleBuilder } from "./emitter.ts";
import { i32, memory, type Body, type I32 } from "./instructions.ts";
import { emitBorder, isBordered, outerBytes, type Border } from "./border.ts";
import { balancedPieces } from "./convolution.ts";
import { FLOAT_BYTES } from "./lanes.ts";
import { emitPack } from "./pack.ts";
import { columnsOf, forPanels, packedBytes, packedStep } from "./panels.ts";
import { emitTile, isWide, TILE_ROWS, TILE_SPILL_BYTES, type TileWidth } from "./tile.ts";

export interface FilterGradientSpec {
  readonly batch: number;
  readonly images: Border;
  readonly window: readonly [number, number];
  readonly strides: readonly [number, number];
  /** [height, width, channels] of an image of dy. */
  readonly output: readonly [number, number, number];
}

export interface FilterGradient {
  /** (begin, end, x, dy, dw, scratch): tiles [begin, end) of the filter's taps. */
  readonly func: FunctionRef;
  /** Tiles in all. */
  readonly tiles: number;
  readonly scratchBytes: number;
}

export function emitFilterGradient(
  module: ModuleBuilder,
  spec: FilterGradientSpec,
  tileWidth: TileWidth,
): FilterGradient {
  const { batch, images, window, strides, output } = spec;
  const [outputHeight, outputWidth, outputChannels] = output;
  const { channels } = images;
  const columns = columnsOf(outputChannels, tileWidth);
  const pixels = outputHeight * outputWidth;
  const packOutput = outputChannels > tileWidth;
  const bordered = isBordered(images);
  const packedOutputBytes = packOutput ? packedBytes(columns, pixels) : 0;
  const panelBytes = pixels * packedStep(tileWidth);
  const filterRow = window[1] * channels;
  const pieces = balancedPieces(filterRow, TILE_ROWS);
  const longer = pieces[0]!;
  const shorterSize = pieces.at(-1)!.size;
  const tilesPerRow = pieces.reduce((sum, { count }) => sum + count, 0);
  const borderedBytes = bordered ? outerBytes(images) : 0;
  const imageBytes = images.height * images.width * channels * FLOAT_BYTES;
  const rowBytes = images.outerWidth * channels * FLOAT_BYTES;
  const outputPixelBytes = outputChannels * FLOAT_BYTES;

  const names = ["begin", "end", "x", "dy", "dw", "scratch"] as const;
  const func = module.func(`filter-gradient ${tileWidth} ${JSON.stringify(spec)}`, names, (p, f) => {
    const at = f.named("i32", ["panel", "bordered", "spill", "image", "a", "c"]);
    const index = f.named("i32", ["panelOffset", "sample", "tile", "windowRow", "piece", "tap"]);

    /** Sets windowRow, piece and tap (within the window's row) of a tile. */
    const locate = (tile: I32): Body => [
      index.windowRow.set(i32.divU(tile, tilesPerRow)),
      index.piece.set(i32.sub(tile, i32.mul(index.windowRow, tilesPerRow))),
      index.tap.set(
        i32.add(
          i32.mul(index.piece, shorterSize),
          pieces.length === 1 ? 0 : i32.select(i32.ltU(index.piece, longer.count), index.piece, longer.count),
        ),
      ),
    ];
    /** Bytes from dw's start to the first row of the located tile. */
    const located = i32.mul(i32.add(i32.mul(index.windowRow, filterRow), index.tap), outputPixelBytes);

    const forAllPanels = (body: (width: number) => Body): Body => [
      at.panel.set(p.scratch),
      forPanels(columns, index.panelOffset, at.panel, panelBytes, body),
    ];
    const packPanel = (width: number): Body =>
      emitPack(module, width, pixels, { transposed: false, rowBytes: outputPixelBytes }).call(
        i32.add(p.dy, index.panelOffset),
        at.panel,
      );
    const multiplyPanel = (width: number): Body => {
      const tile = (rows: number): Body =>
        emitTile(module, {
          rows,
          width,
          aRow: FLOAT_BYTES,
          aStep: strides[1] * channels * FLOAT_BYTES,
          bStep: packOutput ? packedStep(width) : outputPixelBytes,
          runLength: outputWidth,
          aRun: strides[0] * rowBytes,
          cRow: outputPixelBytes,
          paired: isWide(tileWidth),
          accumulate: true,
          bias: false,
          relu: false,
        }).call(
          at.a,
          packOutput ? at.panel : i32.add(p.dy, index.panelOffset),
          i32.add(at.c, index.panelOffset),
          0,
          at.spill,
          outputHeight,
        );
      if (pieces.length === 1) return tile(longer.size);
      return when(i32.ltU(index.piece, longer.count), tile(longer.size), tile(shorterSize));
    };

    return [
      locate(p.end),
      at.c.set(located),
      locate(p.begin),
      memory.fill(i32.add(p.dw, located), 0, i32.sub(at.c, located)),
      at.bordered.set(i32.add(p.scratch, packedOutputBytes)),
      at.spill.set(i32.add(at.bordered, borderedBytes)),
      bordered ? memory.fill(at.bordered, 0, borderedBytes) : [],
      forRange(index.sample, 0, batch, 1, [
        bordered ? emitBorder(module, images).call(p.x, at.bordered) : [],
        at.image.set(bordered ? at.bordered : p.x),
        packOutput ? forAllPanels(packPanel) : [],
        forRange(index.tile, p.begin, p.end, 1, [
          locate(index.tile),
          at.a.set(
            i32.add(at.image, i32.add(i32.mul(index.windowRow, rowBytes), i32.mul(index.tap, FLOAT_BYTES))),
          ),
          at.c.set(i32.add(p.dw, located)),
          forAllPanels(multiplyPanel),
        ]),
        increase(p.x, imageBytes),
        increase(p.dy, pixels * outputPixelBytes),
      ]),
    ];
  });
  return {
    func,
    tiles: window[0] * tilesPerRow,
    scratchBytes: packedOutputBytes + borderedBytes + TILE_SPILL_BYTES,
  };
}
