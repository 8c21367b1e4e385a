// The micro-kernel that does all the multiplying: a tile c[rows x width] of a product, kept in registers while it
// runs over the reduction. Matrix products and all three convolutions are calls of it with other strides.
//
// Every element is one chain of multiply-adds in the order of the reduction, begun at zero; what is accumulated in
// memory is added at the end. So tiles of any shape give equal bits.

import { increase, repeat, type FunctionRef, type ModuleBuilder } from "./emitter.ts";
import { f32x4, v128, type V128 } from "./instructions.ts";
import type { WasmTarget } from "./kernel.ts";
import { storeRow, vectorsOf } from "./lanes.ts";

/** All strides in bytes. */
export interface TileSpec {
  /** Of c, at most TILE_ROWS: 12 sums (a joined pair counts as one) fit the 16 registers of x64. */
  readonly rows: number;
  /** Columns of c. */
  readonly width: number;
  /** Between the rows' first elements of a. */
  readonly aRow: number;
  /** From one step of the reduction to the next, within a run. */
  readonly aStep: number;
  readonly bStep: number;
  /** The reduction is `runs` runs of `runLength` steps; from run to run a's address grows by `aRun`. */
  readonly runLength: number;
  readonly runs: number;
  readonly aRun: number;
  readonly cRow: number;
  /** c += product rather than c = product. */
  readonly accumulate: boolean;
  /** Adds bias[width] to every row. */
  readonly bias: boolean;
  /** Clamps at zero, after the bias; a NaN stays NaN. */
  readonly relu: boolean;
}

/** Rows of a full tile. */
export const TILE_ROWS = 6;

/** Columns of a full tile: for targets that are not wide, and that are. */
export const TILE_WIDTHS = [8, 16] as const;
export type TileWidth = (typeof TILE_WIDTHS)[number];

export function suits(tileWidth: TileWidth, target: WasmTarget): boolean {
  return target.wide === (tileWidth === 16);
}

const MAXIMUM_UNROLL = 4;

/** Steps per loop pass: a whole short run, else the largest divisor up to MAXIMUM_UNROLL, else two and a rest. */
function unrollOf(runLength: number): number {
  if (runLength <= MAXIMUM_UNROLL + 1) return runLength;
  return [4, 3, 2].find((steps) => runLength % steps === 0) ?? 2;
}

/** A function (a, b, c, bias) of addresses; `bias` is ignored where there is none. */
export function emitTile(module: ModuleBuilder, spec: TileSpec): FunctionRef {
  const { rows, width, aRow, aStep, bStep, runLength, runs, aRun, cRow } = spec;
  return module.func(`tile ${JSON.stringify(spec)}`, ["a", "b", "c", "bias"], ({ a, b, c, bias }, f) => {
    const vectors = vectorsOf(width);
    const sums = Array.from({ length: rows }, () => f.locals("v128", vectors.length));
    const columns = f.locals("v128", vectors.length);
    const factor = f.local("v128");
    const run = f.local("i32");
    const pass = f.local("i32");

    const multiplyAdd = (x: V128, y: V128, z: V128): V128 =>
      module.relaxedSimd ? f32x4.relaxedMadd(x, y, z) : f32x4.add(f32x4.mul(x, y), z);

    const step = (k: number) => [
      vectors.map(({ offset }, j) => columns[j]!.set(v128.load(b, k * bStep + offset))),
      sums.map((row, i) => [
        factor.set(v128.load32Splat(a, k * aStep + i * aRow)),
        row.map((sum, j) => sum.set(multiplyAdd(factor, columns[j]!, sum))),
      ]),
    ];
    const steps = (count: number) => [
      Array.from({ length: count }, (_, k) => step(k)),
      increase(a, count * aStep),
      increase(b, count * bStep),
    ];
    const unroll = unrollOf(runLength);
    const rest = runLength % unroll;

    return [
      repeat(run, runs, [
        repeat(pass, Math.floor(runLength / unroll), steps(unroll)),
        rest === 0 ? [] : steps(rest),
        runs > 1 ? increase(a, aRun - runLength * aStep) : [],
      ]),
      spec.bias ? vectors.map(({ offset }, j) => columns[j]!.set(v128.load(bias, offset))) : [],
      sums.map((row, i) => {
        const earlier = (j: number) => v128.load(c, i * cRow + vectors[j]!.offset);
        return [
          spec.accumulate ? row.map((sum, j) => sum.set(f32x4.add(earlier(j), sum))) : [],
          spec.bias ? row.map((sum, j) => sum.set(f32x4.add(sum, columns[j]!))) : [],
          spec.relu ? row.map((sum) => sum.set(f32x4.pmax(sum, v128.zero))) : [],
          storeRow(c, vectors, row, i * cRow),
        ];
      }),
    ];
  });
}
