// Direct convolution, image by image: no im2col, the micro-kernel's rows are neighbouring output pixels and its
// reduction runs over the window, whose rows are contiguous runs of KW * C floats in an NHWC image.

import { forRange, increase, repeat, type FunctionRef, type ModuleBuilder } from "./emitter.ts";
import { i32, memory, type Body, type I32 } from "./instructions.ts";
import { emitBorder, isBordered, outerBytes, type Border } from "./border.ts";
import { clip } from "./clip.ts";
import { FLOAT_BYTES } from "./lanes.ts";
import { emitPack } from "./pack.ts";
import { columnsOf, forPanels, packedBytes, packedStep } from "./panels.ts";
import { emitTile, isWide, tileRows, TILE_SPILL_BYTES, type TileWidth } from "./tile.ts";

/** The convolution of bordered images: a "valid" one. */
export interface ConvolutionSpec {
  readonly images: Border;
  readonly window: readonly [number, number];
  readonly strides: readonly [number, number];
  /** [height, width, channels] of an output image. */
  readonly output: readonly [number, number, number];
  /**
   * `forward`: w[KH,KW,C,N] as it is. `adjoint`: turned by half a turn with its channels exchanged, for the gradient
   * with regard to the input; then the images' channels are w's N, and the output's are its C.
   */
  readonly filter: "forward" | "adjoint";
  readonly bias: boolean;
  readonly relu: boolean;
}

export interface Convolution {
  /** (begin, end, images, w, bias, output, scratch): images [begin, end) of the batch. */
  readonly func: FunctionRef;
  readonly scratchBytes: number;
}

/** A stretch of `length` units cut into pieces of at most `maximum` that are as equal as can be, longest first. */
export function balancedPieces(length: number, maximum: number): readonly { count: number; size: number }[] {
  const pieces = Math.ceil(length / maximum);
  const size = Math.floor(length / pieces);
  const longer = length % pieces;
  return [
    { count: longer, size: size + 1 },
    { count: pieces - longer, size },
  ].filter(({ count }) => count > 0);
}

export function emitConvolution(
  module: ModuleBuilder,
  spec: ConvolutionSpec,
  tileWidth: TileWidth,
): Convolution {
  const { images, window, strides, output, filter } = spec;
  const [outputHeight, outputWidth, outputChannels] = output;
  const { channels } = images;
  const columns = columnsOf(outputChannels, tileWidth);
  const taps = window[0] * window[1];
  const packFilter = filter === "adjoint" || outputChannels > tileWidth;
  const bordered = isBordered(images);
  const filterBytes = packFilter ? packedBytes(columns, taps * channels) : 0;
  const panelBytes = taps * channels * packedStep(tileWidth);
  /** Rows from the image's first to its last within the bordered one. */
  const imageSpan = (images.height - 1) * images.spread[0] + 1;
  const borderedBytes = bordered ? outerBytes(images) : 0;
  const imageBytes = images.height * images.width * channels * FLOAT_BYTES;
  const rowBytes = images.outerWidth * channels * FLOAT_BYTES;
  const outputPixelBytes = outputChannels * FLOAT_BYTES;

  const names = ["begin", "end", "x", "w", "bias", "y", "scratch"] as const;
  const func = module.func(`convolution ${tileWidth} ${JSON.stringify(spec)}`, names, (p, f) => {
    const at = f.named("i32", ["panel", "image", "bordered", "spill", "row", "a", "w", "c"]);
    const index = f.named("i32", ["panelOffset", "sample", "row", "tile", "above", "firstRun", "runs"]);

    const packPanel = (width: number): Body => {
      if (filter === "forward") {
        const pack = emitPack(module, width, taps * channels, {
          transposed: false,
          rowBytes: outputPixelBytes,
        });
        return pack.call(i32.add(p.w, index.panelOffset), at.panel);
      }
      // One tap of w is [C x N]: the panel wants `width` of its rows as columns, and the taps from last to first.
      const pack = emitPack(module, width, channels, { transposed: true, rowBytes: channels * FLOAT_BYTES });
      const tapBytes = outputChannels * channels * FLOAT_BYTES;
      const source: I32 = i32.add(p.w, i32.mul(index.panelOffset, channels));
      return Array.from({ length: taps }, (_, tap) =>
        pack.call(
          i32.add(source, (taps - 1 - tap) * tapBytes),
          i32.add(at.panel, tap * channels * packedStep(width)),
        ),
      );
    };

    const convolvePanel = (width: number): Body => {
      const bStep = packFilter ? packedStep(width) : outputPixelBytes;
      const tile = (rows: number) =>
        emitTile(module, {
          rows,
          width,
          aRow: strides[1] * channels * FLOAT_BYTES,
          aStep: FLOAT_BYTES,
          bStep,
          runLength: window[1] * channels,
          aRun: rowBytes,
          cRow: outputPixelBytes,
          paired: isWide(tileWidth),
          accumulate: false,
          bias: spec.bias,
          relu: spec.relu,
        });
      const w = packFilter ? at.panel : i32.add(p.w, index.panelOffset);
      const bias = spec.bias ? i32.add(p.bias, index.panelOffset) : 0;
      return [
        at.row.set(at.image),
        index.above.set(images.top),
        at.c.set(i32.add(p.y, index.panelOffset)),
        repeat(index.row, outputHeight, [
          // Window rows that lie on the border altogether are left out.
          clip(index.above, imageSpan, window[0], index.firstRun, index.runs),
          at.a.set(i32.add(at.row, i32.mul(index.firstRun, rowBytes))),
          at.w.set(i32.add(w, i32.mul(index.firstRun, window[1] * channels * bStep))),
          balancedPieces(outputWidth, tileRows(width, tileWidth)).map(({ count, size }) =>
            repeat(index.tile, count, [
              tile(size).call(at.a, at.w, at.c, bias, at.spill, index.runs),
              increase(at.a, size * strides[1] * channels * FLOAT_BYTES),
              increase(at.c, size * outputPixelBytes),
            ]),
          ),
          increase(at.row, strides[0] * rowBytes),
          increase(index.above, -strides[0]),
        ]),
      ];
    };

    const forAllPanels = (body: (width: number) => Body): Body => [
      at.panel.set(p.scratch),
      forPanels(columns, index.panelOffset, at.panel, panelBytes, body),
    ];
    const outputBytes = outputHeight * outputWidth * outputPixelBytes;
    return [
      packFilter ? forAllPanels(packPanel) : [],
      at.bordered.set(i32.add(p.scratch, filterBytes)),
      at.spill.set(i32.add(at.bordered, borderedBytes)),
      bordered ? memory.fill(at.bordered, 0, borderedBytes) : [],
      increase(p.x, i32.mul(p.begin, imageBytes)),
      increase(p.y, i32.mul(p.begin, outputBytes)),
      forRange(index.sample, p.begin, p.end, 1, [
        bordered ? emitBorder(module, images).call(p.x, at.bordered) : [],
        at.image.set(bordered ? at.bordered : p.x),
        forAllPanels(convolvePanel),
        increase(p.x, imageBytes),
        increase(p.y, outputBytes),
      ]),
    ];
  });
  return { func, scratchBytes: filterBytes + borderedBytes + TILE_SPILL_BYTES };
}
