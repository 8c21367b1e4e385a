// Max-pooling that notes the winners: windows side by side, the first of equal cells wins.

import type { Activation } from "../../ops/elementwise.ts";
import { increase, repeat, type FunctionRef, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { f32x4, i32x4, v128 } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, storeRow, sweep, SWEEP_FLOATS, VECTOR_FLOATS } from "../../../wasm/lanes.ts";

export interface WinnerPoolSpec {
  /** Cells of a row of the image, and floats of a cell: channels, or channels of several images. */
  readonly width: number;
  readonly cellFloats: number;
  readonly poolSize: readonly [number, number];
  /** Height and width of the pooled image. */
  readonly pooled: readonly [number, number];
  readonly activation: Activation;
}

/** A function (image, y, winners) that pools one image; y gets the activation, which the winners do not see. */
export function emitWinnerPool(module: ModuleBuilder, spec: WinnerPoolSpec): FunctionRef {
  const { width, cellFloats, poolSize, pooled, activation } = spec;
  const cellBytes = cellFloats * FLOAT_BYTES;
  const rowBytes = width * cellBytes;
  return module.func(`winner-pool ${JSON.stringify(spec)}`, ["image", "y", "winners"], (p, f) => {
    const { row, column, pass } = f.named("i32", ["row", "column", "pass"]);
    const most = SWEEP_FLOATS / VECTOR_FLOATS;
    const [best, cells] = [f.locals("v128", most), f.locals("v128", most)];
    const value = f.local("v128");
    const pointers = [p.image, p.y, p.winners];
    const offsets = Array.from({ length: poolSize[0] * poolSize[1] }, (_, cell) => {
      const y = Math.floor(cell / poolSize[1]);
      return y * rowBytes + (cell % poolSize[1]) * cellBytes;
    });
    return repeat(row, pooled[0], [
      repeat(column, pooled[1], [
        sweep(cellFloats, pass, pointers, (vectors) => [
          vectors.map(({ offset }, j) => [
            best[j]!.set(v128.load(p.image, offset)),
            cells[j]!.set(v128.zero),
            offsets
              .slice(1)
              .map((at, i) => [
                value.set(v128.load(p.image, at + offset)),
                cells[j]!.set(
                  v128.bitselect(
                    i32x4.const([i + 1, i + 1, i + 1, i + 1]),
                    cells[j]!,
                    f32x4.gt(value, best[j]!),
                  ),
                ),
                best[j]!.set(v128.or(f32x4.pmax(value, best[j]!), f32x4.pmax(best[j]!, value))),
              ]),
          ]),
          activation === "relu" ? best.map((value) => value.set(f32x4.pmax(value, v128.zero))) : [],
          storeRow(p.y, vectors, best),
          storeRow(p.winners, vectors, cells),
        ]),
        increase(p.image, (poolSize[1] - 1) * cellBytes),
      ]),
      increase(p.image, poolSize[0] * rowBytes - pooled[1] * poolSize[1] * cellBytes),
    ]);
  });
}
