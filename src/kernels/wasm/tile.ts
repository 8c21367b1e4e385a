// The micro-kernel that does all the multiplying: a tile c[rows x width] of a product, kept in registers while it
// runs over the reduction. Matrix products and all three convolutions are calls of it with other strides.
//
// Every element is one chain of multiply-adds in the order of the reduction, begun at zero; what is accumulated in
// memory is added at the end. So tiles of any shape give equal bits.

import { increase, repeat, whileLoop, type FunctionRef, type Local, type ModuleBuilder } from "./emitter.ts";
import { f32x4, v128, type Body } from "./instructions.ts";
import type { WasmTarget } from "./kernel.ts";
import { multiplyAdd, storeRow, VECTOR_BYTES, VECTOR_FLOATS, vectorsOf } from "./lanes.ts";

/** All strides in bytes. */
export interface TileSpec {
  /** Of c, at most `tileRows`: 12 sums (a joined pair counts as one) fit the 16 registers of x64. */
  readonly rows: number;
  /** Columns of c. */
  readonly width: number;
  /** Between the rows' first elements of a. */
  readonly aRow: number;
  /** From one step of the reduction to the next, within a run. */
  readonly aStep: number;
  readonly bStep: number;
  /** The reduction is a number of runs of `runLength` steps; from run to run a's address grows by `aRun`. */
  readonly runLength: number;
  readonly aRun: number;
  readonly cRow: number;
  /** The machine works on pairs of vectors (see WasmTarget.wide). */
  readonly paired: boolean;
  /** c += product rather than c = product. */
  readonly accumulate: boolean;
  /** Adds bias[width] to every row. */
  readonly bias: boolean;
  /** Clamps at zero, after the bias; a NaN stays NaN. */
  readonly relu: boolean;
  /** Zeroes what it stores where `mask`, which lies like c, is not above 0. */
  readonly mask?: boolean;
}

/** Rows of a tile of full width. */
export const TILE_ROWS = 6;

/** Columns of a full tile: for targets that are not wide, and that are. */
export const TILE_WIDTHS = [8, 16] as const;
export type TileWidth = (typeof TILE_WIDTHS)[number];

export function isWide(tileWidth: TileWidth): boolean {
  return tileWidth === 16;
}

export function suits(tileWidth: TileWidth, target: WasmTarget): boolean {
  return target.wide === isWide(tileWidth);
}

const MAXIMUM_UNROLL = 4;

/** Steps per loop pass: a whole short run, else the largest divisor up to MAXIMUM_UNROLL, else two and a rest. */
function unrollOf(runLength: number): number {
  if (runLength <= MAXIMUM_UNROLL + 1) return runLength;
  return [4, 3, 2].find((steps) => runLength % steps === 0) ?? 2;
}

/** Rows of a tile of this width: as many as keep its sums at 12, so that narrow tiles hide latencies too. */
export function tileRows(width: number, tileWidth: TileWidth): number {
  return 2 * width <= tileWidth ? 2 * TILE_ROWS : TILE_ROWS;
}

/** Scratch of a tile: a pair of vectors for each row. */
export const TILE_SPILL_BYTES = 2 * TILE_ROWS * 2 * VECTOR_BYTES;

/**
 * A function (a, b, c, bias, spill, runs): five addresses, of which `bias` is ignored where there is none, and the
 * number of runs. With a mask, its address comes last.
 *
 * Wide tiles compute in pairs of vectors, and V8 joins a pair only if both halves are stored side by side, and whole.
 * So a last pair that sticks out of the tile goes to `spill`, and from there its own lanes go to c.
 */
export function emitTile(module: ModuleBuilder, spec: TileSpec): FunctionRef {
  const { rows, width, aRow, aStep, bStep, runLength, aRun, cRow } = spec;
  const names = ["a", "b", "c", "bias", "spill", "runs", "mask"] as const;
  const parameters = names.filter((name) => name !== "mask" || spec.mask);
  return module.func(`tile ${JSON.stringify(spec)}`, parameters, (p, f) => {
    const { a, b, c, bias, spill, runs, mask } = p;
    const stored = vectorsOf(width);
    const offsets = Array.from(
      { length: spec.paired ? Math.ceil(stored.length / 2) * 2 : stored.length },
      (_, j) => j * VECTOR_BYTES,
    );
    /** Vectors that are stored as they are; the rest, at most a pair, is spilled. */
    const whole = spec.paired ? Math.floor(width / (2 * VECTOR_FLOATS)) * 2 : stored.length;
    const sums = Array.from({ length: rows }, () => f.locals("v128", offsets.length));
    const columns = f.locals("v128", offsets.length);
    const factors = f.locals("v128", rows);
    const pass = f.local("i32");

    const loadColumn = (k: number, j: number) => columns[j]!.set(v128.load(b, k * bStep + offsets[j]!));
    const loadFactor = (k: number, i: number) => v128.load32Splat(a, k * aStep + i * aRow);
    const step = (k: number): Body => {
      // The fewer of the two stay in registers, the others come one by one.
      if (2 * rows >= offsets.length)
        return [
          offsets.map((_, j) => loadColumn(k, j)),
          sums.map((row, i) => [
            factors[0]!.set(loadFactor(k, i)),
            row.map((sum, j) => sum.set(multiplyAdd(module, factors[0]!, columns[j]!, sum))),
          ]),
        ];
      const group = spec.paired ? 2 : 1;
      return [
        factors.map((factor, i) => factor.set(loadFactor(k, i))),
        Array.from({ length: offsets.length / group }, (_, first) => {
          const js = Array.from({ length: group }, (_, j) => first * group + j);
          return [
            js.map((j) => loadColumn(k, j)),
            sums.map((row, i) =>
              js.map((j) => row[j]!.set(multiplyAdd(module, factors[i]!, columns[j]!, row[j]!))),
            ),
          ];
        }),
      ];
    };
    const steps = (count: number) => [
      Array.from({ length: count }, (_, k) => step(k)),
      increase(a, count * aStep),
      increase(b, count * bStep),
    ];
    const unroll = unrollOf(runLength);
    const rest = runLength % unroll;

    const finishRow = (row: readonly Local<"v128">[], i: number): Body => {
      const earlier = (j: number) => v128.load(c, i * cRow + offsets[j]!);
      const open = (j: number) => f32x4.gt(v128.load(mask, i * cRow + offsets[j]!), v128.zero);
      return [
        spec.accumulate ? row.map((sum, j) => sum.set(f32x4.add(earlier(j), sum))) : [],
        spec.bias ? row.map((sum, j) => sum.set(f32x4.add(sum, columns[j]!))) : [],
        spec.relu ? row.map((sum) => sum.set(f32x4.pmax(sum, v128.zero))) : [],
        spec.mask ? row.map((sum, j) => sum.set(v128.and(sum, open(j)))) : [],
        storeRow(c, stored.slice(0, whole), row, i * cRow),
        row
          .slice(whole)
          .map((sum, j) => v128.store(spill, sum, (2 * i + j) * VECTOR_BYTES))
          .reverse(),
      ];
    };
    const storeSpilled = (row: readonly Local<"v128">[], i: number): Body => {
      const spilled = row.slice(whole, stored.length);
      return [
        spilled.map((sum, j) => sum.set(v128.load(spill, (2 * i + j) * VECTOR_BYTES))),
        storeRow(c, stored.slice(whole), spilled, i * cRow),
      ];
    };
    return [
      whileLoop(runs, [
        repeat(pass, Math.floor(runLength / unroll), steps(unroll)),
        rest === 0 ? [] : steps(rest),
        increase(a, aRun - runLength * aStep),
        increase(runs, -1),
      ]),
      spec.bias ? offsets.map((offset, j) => columns[j]!.set(v128.load(bias, offset))) : [],
      sums.map(finishRow),
      whole < stored.length ? sums.map(storeSpilled) : [],
    ];
  });
}
