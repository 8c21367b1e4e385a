// The gradient of a convolution with regard to its filter, dw[KH,KW,C,N]: for every tap the product of the pixels of
// x that it meets, transposed, with those of dy. A tile's rows are channels of one tap; where x has few channels, of
// several taps, and then x needs a border. The batch is cut into groups, whose sums are added up in order.

import { emitBorder, isBordered, outerBytes } from "./border.ts";
import { forRange, increase, repeat, when, whileLoop, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { filterPieces, lineBlocks, type FilterGradientSpec, type FilterPiece } from "./filter-pieces.ts";
import { i32, memory, type Body, type I32 } from "../../../wasm/instructions.ts";
import type { WasmRoutine } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { columnsOf } from "../products/panels.ts";
import { clearPhase, combinePhases, sharedBytesOf, type PartialSums } from "../emit/partial-sums.ts";
import type { OutputRange } from "./reach.ts";
import { emitSlidingTile } from "./sliding-tile.ts";
import { isWide, tileRows, TILE_SPILL_BYTES, TILE_WIDTHS, type TileWidth } from "../products/tile.ts";

/** Groups times panels of 16 columns: as many slices of work as there may be threads. */
const SLICES = 8;
/** Pixels over which a tile sums before it adds to dw: many enough to hide the adding, few enough for the first-level cache. */
const TILE_PIXELS = 256;

export function emitFilterGradient(
  module: ModuleBuilder,
  spec: FilterGradientSpec,
  tileWidth: TileWidth,
): WasmRoutine {
  const { batch, source, output, window, vertical, horizontal } = spec;
  const columns = columnsOf(output.channels, tileWidth);
  const panels = columns.full + Math.sign(columns.rest);
  const maximumRows = tileRows(columns.full > 0 ? tileWidth : columns.rest, tileWidth);
  const { image, pieces } = filterPieces(spec, maximumRows);
  const bordered = isBordered(image);

  // These decide the order of summation: they must not depend on the tile's width.
  const groups = Math.min(batch, Math.ceil(SLICES / Math.ceil(output.channels / Math.max(...TILE_WIDTHS))));
  const blocks = lineBlocks(output.height, Math.max(1, Math.floor(TILE_PIXELS / output.width)), pieces);
  const tileImages = Math.max(1, Math.floor(TILE_PIXELS / (output.height * output.width)));

  const pixelBytes = source.channels * FLOAT_BYTES;
  const lineBytes = image.outerWidth * pixelBytes;
  const imageBytes = source.height * source.width * pixelBytes;
  const outerImageBytes = outerBytes(image);
  const outputPixelBytes = output.channels * FLOAT_BYTES;
  const outputLineBytes = output.width * outputPixelBytes;
  const outputImageBytes = output.height * outputLineBytes;
  const elements = window[0] * window[1] * source.channels * output.channels;
  const sums: PartialSums = {
    elements,
    parts: groups,
    names: ["begin", "end", "x", "dy", "dw", ...(groups > 1 ? ["shared"] : []), "scratch"],
    output: "dw",
  };
  const key = `filter-gradient ${tileWidth} ${JSON.stringify(spec)}`;
  const addUp = module.func(key, sums.names, (p, f) => {
    const at = f.named("i32", ["bordered", "copy", "x", "lines", "dyLines", "dw", "c"]);
    const index = f.named("i32", ["unit", "group", "firstPanel", "panelEnd", "panel", "sample", "sampleEnd"]);
    const count = f.named("i32", ["images", "copies", "blocks"]);
    const smaller = (a: I32, b: I32): I32 => i32.select(i32.ltU(a, b), a, b);
    const firstImage = (group: I32): I32 => i32.divU(i32.mul(group, batch), groups);

    const multiply = (piece: FilterPiece, width: number, lines: OutputRange): Body =>
      emitSlidingTile(module, {
        rows: piece.rows,
        width,
        length: piece.pixels.count,
        segments: lines.count,
        a: {
          step: horizontal.stride * pixelBytes,
          segment: vertical.stride * lineBytes,
          run: outerImageBytes,
          tile: piece.rows.length * FLOAT_BYTES,
        },
        b: { step: outputPixelBytes, segment: outputLineBytes, run: outputImageBytes, tile: 0 },
        c: { row: outputPixelBytes, tile: piece.rows.length * outputPixelBytes },
        paired: isWide(tileWidth),
        accumulate: true,
        bias: undefined,
        relu: false,
        mask: false,
      }).call(
        i32.add(at.lines, piece.offset + lines.first * vertical.stride * lineBytes),
        i32.add(at.dyLines, lines.first * outputLineBytes + piece.pixels.first * outputPixelBytes),
        i32.add(at.c, piece.filterRow * outputPixelBytes),
        ...[0, 0, p.scratch!, count.images, piece.tiles],
      );
    const multiplyPanel = (width: number): Body =>
      blocks.map(({ count: blockCount, lines, reached }) =>
        repeat(count.blocks, blockCount, [
          pieces.map((piece, i) =>
            reached[i]!.count * piece.pixels.count === 0 ? [] : multiply(piece, width, reached[i]!),
          ),
          increase(at.lines, lines * vertical.stride * lineBytes),
          increase(at.dyLines, lines * outputLineBytes),
        ]),
      );
    const copyImages: Body = [
      at.copy.set(at.bordered),
      count.copies.set(count.images),
      whileLoop(count.copies, [
        emitBorder(module, image).call(at.x, at.copy),
        increase(at.x, imageBytes),
        increase(at.copy, outerImageBytes),
        increase(count.copies, -1),
      ]),
      at.x.set(at.bordered),
    ];
    const panelOffset = i32.mul(index.panel, tileWidth * FLOAT_BYTES);
    const multiplyImages: Body = [
      count.images.set(smaller(i32.sub(index.sampleEnd, index.sample), tileImages)),
      at.x.set(i32.add(p.x!, i32.mul(index.sample, imageBytes))),
      bordered ? copyImages : [],
      forRange(index.panel, index.firstPanel, index.panelEnd, 1, [
        at.lines.set(at.x),
        at.dyLines.set(i32.add(i32.add(p.dy!, i32.mul(index.sample, outputImageBytes)), panelOffset)),
        at.c.set(i32.add(at.dw, panelOffset)),
        columns.full === 0 || columns.rest === 0
          ? multiplyPanel(columns.rest || tileWidth)
          : when(i32.ltU(index.panel, columns.full), multiplyPanel(tileWidth), multiplyPanel(columns.rest)),
      ]),
    ];
    const partOfGroup = i32.add(p.shared ?? 0, i32.mul(i32.sub(index.group, 1), elements * FLOAT_BYTES));
    return [
      at.bordered.set(i32.add(p.scratch!, TILE_SPILL_BYTES)),
      bordered ? memory.fill(at.bordered, 0, tileImages * outerImageBytes) : [],
      index.unit.set(p.begin!),
      whileLoop(i32.ltU(index.unit, p.end!), [
        index.group.set(i32.divU(index.unit, panels)),
        index.firstPanel.set(i32.sub(index.unit, i32.mul(index.group, panels))),
        index.panelEnd.set(smaller(i32.add(index.firstPanel, i32.sub(p.end!, index.unit)), panels)),
        at.dw.set(groups === 1 ? p.dw! : i32.select(index.group, partOfGroup, p.dw!)),
        index.sampleEnd.set(firstImage(i32.add(index.group, 1))),
        forRange(index.sample, firstImage(index.group), index.sampleEnd, tileImages, multiplyImages),
        increase(index.unit, i32.sub(index.panelEnd, index.firstPanel)),
      ]),
    ];
  });
  return {
    phases: [
      clearPhase(module, sums),
      { func: addUp, extent: groups * panels, grain: 1 },
      ...combinePhases(module, sums),
    ],
    sharedBytes: sharedBytesOf(sums),
    scratchBytes: TILE_SPILL_BYTES + (bordered ? tileImages * outerImageBytes : 0),
  };
}
