// Direct convolution, or its adjoint, into few channels: the lanes of a tile are images, its rows are the output's
// channels, so that no lane is idle. Images are turned on the way in, [H,W,C][images], and lines of the output on the
// way out. Every sum has the order of convolution.ts.

import type { ConvolutionSpec } from "./convolution.ts";
import { forRange, increase, repeat, when, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { i32, type Body } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmRoutine } from "../kernel.ts";
import { FLOAT_BYTES } from "../../../wasm/lanes.ts";
import { emitPack } from "../products/pack.ts";
import { columnsOf, packedStep } from "../products/panels.ts";
import { balancedPieces } from "../../../wasm/pieces.ts";
import { stretchesOf, type Reach, type Stretch } from "./reach.ts";
import { emitSlidingTile } from "./sliding-tile.ts";
import { isWide, TILE_ROWS, TILE_SPILL_BYTES, TILE_WIDTHS, type TileWidth } from "../products/tile.ts";
import { emitTurn } from "../products/turn.ts";

/** Up to so many output channels. */
const MAXIMUM_CHANNELS = 2 * TILE_ROWS;
/** A tile of channels that leaves less than this share of its lanes idle is as fast. */
const MINIMUM_SHARE = 0.8;
/** Turned images should stay in the second-level cache. */
const MAXIMUM_TURNED_BYTES = 512 * 1024;

/** A function of the shape alone: whether it is faster than convolution.ts. */
export function turningPays({ batch, source, output }: ConvolutionSpec): boolean {
  const [narrow, wide] = TILE_WIDTHS;
  const share = output.channels / (Math.ceil(output.channels / narrow) * narrow);
  const turnedBytes = source.height * source.width * source.channels * wide * FLOAT_BYTES;
  return (
    batch >= wide &&
    output.channels <= MAXIMUM_CHANNELS &&
    share < MINIMUM_SHARE &&
    turnedBytes <= MAXIMUM_TURNED_BYTES
  );
}

/** `lanes`: y stays turned, [H,W,C][images] with whole vectors of images, of which there is one group and no mask. */
export function emitTurnedConvolution(
  module: ModuleBuilder,
  spec: ConvolutionSpec,
  tileWidth: TileWidth,
  result: "images" | "lanes" = "images",
): WasmRoutine {
  const { batch, source, output, vertical, horizontal, window, adjoint, third } = spec;
  const groups = columnsOf(batch, tileWidth);
  const imageFloats = source.height * source.width * source.channels;
  const imageBytes = imageFloats * FLOAT_BYTES;
  const outputLineFloats = output.width * output.channels;
  const outputImageBytes = output.height * outputLineFloats * FLOAT_BYTES;
  const widestStep = packedStep(groups.full > 0 ? tileWidth : groups.rest);
  const turnedBytes = imageFloats * widestStep;
  // emitTurn reads up to three rows more.
  const lineBytes = (outputLineFloats + 3) * widestStep;

  const tapFloats = source.channels * output.channels;
  const wStep = (adjoint ? 1 : output.channels) * FLOAT_BYTES;
  const wRow = (adjoint ? source.channels : 1) * FLOAT_BYTES;
  /** Bytes from one tap of w to the next along an axis; they may lead back. */
  const wTap = ({ taps }: Reach, cells: number) =>
    (taps.length < 2 ? 1 : taps[1]! - taps[0]!) * cells * tapFloats * FLOAT_BYTES;

  const names = ["begin", "end", "x", "w", ...(third === undefined ? [] : ["third"]), "y", "scratch"];
  const func = module.func(
    `turned convolution ${tileWidth} ${result} ${JSON.stringify(spec)}`,
    names,
    (p, f) => {
      const at = f.named("i32", ["images", "line", "x", "row", "y", "third"]);
      const index = f.named("i32", ["group", "row"]);

      /** Outputs of a stretch along a line, all channels. at.row is the line's first source cell of its first tap. */
      const convolveStretch = (
        step: number,
        [rows, cells]: readonly [Reach, Reach],
        line: Stretch,
        pixels: Stretch,
      ): Body => {
        const pixelBytes = source.channels * step;
        const adjoining = cells.spacing === 1 && !adjoint;
        const taps = Math.max(pixels.taps, 1); // without any there are no runs either
        const row = line.taps === 0 ? 0 : rows.taps[line.tap]!;
        const cell = pixels.taps === 0 ? 0 : cells.taps[pixels.tap]!;
        const w = (row * window[1] + cell) * tapFloats * FLOAT_BYTES;
        const c = (cells.outputFirst + pixels.output * cells.outputStep) * output.channels * step;
        let channel = 0;
        return balancedPieces(output.channels, TILE_ROWS).flatMap(({ count, size }) =>
          Array.from({ length: count }, () => {
            const first = channel;
            channel += size;
            return emitSlidingTile(module, {
              rows: Array.from({ length: size }, (_, i) => i * wRow),
              width: step / FLOAT_BYTES,
              length: (adjoining ? taps : 1) * source.channels,
              segments: adjoining ? 1 : taps,
              a: { step: wStep, segment: wTap(cells, 1), run: wTap(rows, window[1]), tile: 0 },
              b: {
                step,
                segment: cells.spacing * pixelBytes,
                run: rows.spacing * source.width * pixelBytes,
                tile: cells.stride * pixelBytes,
              },
              c: { row: step, tile: cells.outputStep * output.channels * step },
              paired: isWide(tileWidth),
              accumulate: false,
              bias: third === "bias" ? "rows" : undefined,
              relu: spec.relu,
              mask: false,
            }).call(
              i32.add(p.w!, w + first * wRow),
              i32.add(at.row, pixels.cell * pixelBytes),
              i32.add(at.line, c + first * step),
              third === "bias" ? i32.add(p.third!, first * FLOAT_BYTES) : 0,
              0,
              p.scratch!,
              pixels.taps === 0 ? 0 : line.taps,
              pixels.count,
            );
          }),
        );
      };

      const convolveGroup = (images: number): Body => {
        const step = packedStep(images);
        const turnIn = emitPack(module, images, imageFloats, { transposed: true, rowBytes: imageBytes });
        const turnOut = emitTurn(module, {
          rows: images,
          columns: outputLineFloats,
          sourceRow: step,
          targetRow: outputImageBytes,
          accumulate: false,
          mask: third === "mask",
        });
        const sourceLineBytes = source.width * source.channels * step;
        return [
          turnIn.call(at.x, at.images),
          vertical.map((rows) =>
            stretchesOf(rows).map((line) => {
              const lineStep = outputLineFloats * (result === "lanes" ? step : FLOAT_BYTES);
              const offset = (rows.outputFirst + line.output * rows.outputStep) * lineStep;
              const outputStep = rows.outputStep * lineStep;
              return [
                at.row.set(i32.add(at.images, line.cell * sourceLineBytes)),
                increase(at.y, offset),
                third === "mask" ? increase(at.third, offset) : [],
                repeat(index.row, line.count, [
                  result === "lanes" ? at.line.set(at.y) : [],
                  horizontal.map((cells) =>
                    stretchesOf(cells).map((pixels) => convolveStretch(step, [rows, cells], line, pixels)),
                  ),
                  result === "lanes"
                    ? []
                    : turnOut.call(at.line, at.y, ...(third === "mask" ? [at.third] : [])),
                  increase(at.row, rows.stride * sourceLineBytes),
                  increase(at.y, outputStep),
                  third === "mask" ? increase(at.third, outputStep) : [],
                ]),
                increase(at.y, -offset - line.count * outputStep),
                third === "mask" ? increase(at.third, -offset - line.count * outputStep) : [],
              ];
            }),
          ),
        ];
      };

      const ofGroup = (imageSizeBytes: number) => i32.mul(index.group, tileWidth * imageSizeBytes);
      return [
        at.images.set(i32.add(p.scratch!, TILE_SPILL_BYTES)),
        at.line.set(i32.add(at.images, turnedBytes)),
        forRange(index.group, p.begin!, p.end!, 1, [
          at.x.set(i32.add(p.x!, ofGroup(imageBytes))),
          at.y.set(i32.add(p.y!, ofGroup(outputImageBytes))),
          third === "mask" ? at.third.set(i32.add(p.third!, ofGroup(outputImageBytes))) : [],
          groups.full === 0 || groups.rest === 0
            ? convolveGroup(groups.rest || tileWidth)
            : when(i32.ltU(index.group, groups.full), convolveGroup(tileWidth), convolveGroup(groups.rest)),
        ]),
      ];
    },
  );
  const extent = groups.full + Math.sign(groups.rest);
  const scratchBytes = TILE_SPILL_BYTES + turnedBytes + lineBytes;
  return singlePhase({ func, extent, grain: 1, scratchBytes });
}
