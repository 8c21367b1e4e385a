// Images with a border of zeros, for tiles that span taps which reach different parts of the image.

import { increase, repeat, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { v128 } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, storeRow, sweep } from "../../../wasm/lanes.ts";

/** One image [height, width, channels] inside a larger one. Extents in cells. */
export interface Border {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly top: number;
  readonly left: number;
  readonly outerHeight: number;
  readonly outerWidth: number;
}

/** Whether the bordered image differs from the image at all. */
export function isBordered({ height, width, outerHeight, outerWidth }: Border): boolean {
  return height !== outerHeight || width !== outerWidth;
}

export function outerBytes({ outerHeight, outerWidth, channels }: Border): number {
  return outerHeight * outerWidth * channels * FLOAT_BYTES;
}

/** A function (source, target) that copies an image into a bordered one, whose other cells it leaves alone. */
export function emitBorder(module: ModuleBuilder, border: Border): FunctionRef {
  const { height, width, channels, top, left, outerWidth } = border;
  const rowBytes = width * channels * FLOAT_BYTES;
  const outerRowBytes = outerWidth * channels * FLOAT_BYTES;
  return module.func(`border ${JSON.stringify(border)}`, ["source", "target"], (p, f) => {
    const { row, pass, from, to } = f.named("i32", ["row", "pass", "from", "to"]);
    const values = f.locals("v128", 4);
    return [
      increase(p.target, top * outerRowBytes + left * channels * FLOAT_BYTES),
      repeat(row, height, [
        from.set(p.source),
        to.set(p.target),
        sweep(width * channels, pass, [from, to], (vectors) => [
          vectors.map(({ offset }, i) => values[i]!.set(v128.load(from, offset))),
          storeRow(to, vectors, values),
        ]),
        increase(p.source, rowBytes),
        increase(p.target, outerRowBytes),
      ]),
    ];
  });
}
