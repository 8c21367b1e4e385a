// Images with a border of zeros, and optionally zeros between the pixels: with it a convolution needs no tests for
// the edge, and the gradient with regard to its input is a convolution too.

import { increase, repeat, type FunctionRef, type ModuleBuilder } from "./emitter.ts";
import { v128 } from "./instructions.ts";
import { FLOAT_BYTES, storeRow, sweep } from "./lanes.ts";

/** One image [height, width, channels] inside a larger one. Extents in cells. */
export interface Border {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly top: number;
  readonly left: number;
  /** Of the bordered image. */
  readonly outerHeight: number;
  readonly outerWidth: number;
  /** Pixels lie this far apart, vertically and horizontally. */
  readonly spread: readonly [number, number];
}

/** Whether the bordered image differs from the image at all. */
export function isBordered({ height, width, outerHeight, outerWidth, spread }: Border): boolean {
  return height !== outerHeight || width !== outerWidth || spread[0] > 1 || spread[1] > 1;
}

export function outerBytes({ outerHeight, outerWidth, channels }: Border): number {
  return outerHeight * outerWidth * channels * FLOAT_BYTES;
}

/** A function (source, target) that copies an image into a bordered one, whose other cells it leaves alone. */
export function emitBorder(module: ModuleBuilder, border: Border): FunctionRef {
  const { height, width, channels, top, left, outerWidth, spread } = border;
  const pixelBytes = channels * FLOAT_BYTES;
  // Pixels that stay neighbours are copied as one run.
  const runs = spread[1] > 1 ? width : 1;
  const runFloats = (width / runs) * channels;
  const runSourceBytes = runFloats * FLOAT_BYTES;
  const runTargetBytes = runs > 1 ? spread[1] * pixelBytes : 0;
  const rowTargetBytes = spread[0] * outerWidth * pixelBytes;

  return module.func(`border ${JSON.stringify(border)}`, ["source", "target"], (p, f) => {
    const { row, run, pass, from, to } = f.named("i32", ["row", "run", "pass", "from", "to"]);
    const values = f.locals("v128", 4);
    const copyRun = [
      from.set(p.source),
      to.set(p.target),
      sweep(runFloats, pass, [from, to], (vectors) => [
        vectors.map(({ offset }, i) => values[i]!.set(v128.load(from, offset))),
        storeRow(to, vectors, values),
      ]),
      increase(p.source, runSourceBytes),
      increase(p.target, runTargetBytes),
    ];
    return [
      increase(p.target, (top * outerWidth + left) * pixelBytes),
      repeat(row, height, [
        repeat(run, runs, copyRun),
        increase(p.target, rowTargetBytes - runs * runTargetBytes),
      ]),
    ];
  });
}
