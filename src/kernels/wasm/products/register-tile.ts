// What all micro-kernels share: a tile c[rows x width] of sums that stays in registers, one step of multiply-adds, and
// the way out: adding to what is there, bias, clamp, mask, and stores that write nothing beside the tile.

import { increase, type FunctionBuilder, type Local, type ModuleBuilder } from "../../../wasm/emitter.ts";
import { f32x4, v128, type Body, type I32 } from "../../../wasm/instructions.ts";
import {
  FLOAT_BYTES,
  multiplyAdd,
  storeRow,
  VECTOR_BYTES,
  VECTOR_FLOATS,
  vectorsOf,
} from "../../../wasm/lanes.ts";

export interface RegisterTileSpec {
  /** Bytes in a from the first row of c to each: at most `tileRows`, so that the sums fit the registers. */
  readonly rows: readonly number[];
  /** Columns of c. */
  readonly width: number;
  /** Bytes from one step of the reduction to the next. */
  readonly aStep: number;
  readonly bStep: number;
  /** Bytes from row to row of c. */
  readonly cRow: number;
  /** The machine works on pairs of vectors (see WasmTarget.wide). */
  readonly paired: boolean;
  /** c += product rather than c = product. */
  readonly accumulate: boolean;
  /** Adds bias[width] to every row, or bias[rows] to every column. */
  readonly bias: "columns" | "rows" | undefined;
  /** Clamps at zero, after the bias; a NaN stays NaN. */
  readonly relu: boolean;
  /** Zeroes what it stores where the mask, which lies as c does, is not above 0. */
  readonly mask: boolean;
}

/** Addresses; `bias` and `mask` are not looked at where there is none. */
export interface RegisterTilePlaces {
  readonly a: Local<"i32">;
  readonly b: Local<"i32">;
  readonly c: I32;
  readonly bias: I32;
  readonly mask: I32;
  readonly spill: I32;
}

export interface RegisterTile {
  readonly clear: Body;
  /** `count` steps of the reduction; a and b advance. */
  steps(count: number): Body;
  readonly finish: Body;
}

/** Runs of so many steps are written out: over these the end of a loop, foreseen wrongly, costs a tenth of the time. */
const MAXIMUM_WHOLE_RUN = 14;

/** Steps per loop pass: a whole short run, else a divisor, else four and a rest. */
export function unrollOf(length: number): number {
  if (length <= MAXIMUM_WHOLE_RUN) return length;
  return [4, 7, 6, 5, 3].find((steps) => length % steps === 0) ?? 4;
}

/**
 * Wide tiles compute in pairs of vectors, and V8 joins a pair only if both halves are stored side by side, and whole.
 * So a last pair that sticks out of the tile goes to `spill`, and from there its own lanes go to c.
 */
export function registerTile(
  module: ModuleBuilder,
  f: FunctionBuilder,
  spec: RegisterTileSpec,
  at: RegisterTilePlaces,
): RegisterTile {
  const { rows, width, aStep, bStep, cRow, paired } = spec;
  const stored = vectorsOf(width);
  const vectors = paired ? Math.ceil(stored.length / 2) * 2 : stored.length;
  const offsets = Array.from({ length: vectors }, (_, j) => j * VECTOR_BYTES);
  /** Vectors that are stored as they are; the rest, at most a pair, is spilled. */
  const whole = paired ? Math.floor(width / (2 * VECTOR_FLOATS)) * 2 : stored.length;
  const sums = rows.map(() => f.locals("v128", vectors));
  const columns = f.locals("v128", vectors);
  const factors = f.locals("v128", rows.length);

  const loadColumn = (k: number, j: number) => columns[j]!.set(v128.load(at.b, k * bStep + offsets[j]!));
  const loadFactor = (k: number, i: number) => v128.load32Splat(at.a, k * aStep + rows[i]!);
  const step = (k: number): Body => {
    // The fewer of the two stay in registers, the others come one by one.
    if (2 * rows.length >= vectors)
      return [
        offsets.map((_, j) => loadColumn(k, j)),
        sums.map((row, i) => [
          factors[0]!.set(loadFactor(k, i)),
          row.map((sum, j) => sum.set(multiplyAdd(module, factors[0]!, columns[j]!, sum))),
        ]),
      ];
    const group = paired ? 2 : 1;
    return [
      factors.map((factor, i) => factor.set(loadFactor(k, i))),
      Array.from({ length: vectors / group }, (_, first) => {
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

  const earlier = (i: number, j: number) => v128.load(at.c, i * cRow + offsets[j]!);
  const open = (i: number, j: number) => f32x4.gt(v128.load(at.mask, i * cRow + offsets[j]!), v128.zero);
  const addend = (j: number) => (spec.bias === "rows" ? factors[0]! : columns[j]!);
  const finishRow = (row: readonly Local<"v128">[], i: number): Body => [
    spec.accumulate ? row.map((sum, j) => sum.set(f32x4.add(earlier(i, j), sum))) : [],
    spec.bias === "rows" ? factors[0]!.set(v128.load32Splat(at.bias, i * FLOAT_BYTES)) : [],
    spec.bias === undefined ? [] : row.map((sum, j) => sum.set(f32x4.add(sum, addend(j)))),
    spec.relu ? row.map((sum) => sum.set(f32x4.pmax(sum, v128.zero))) : [],
    spec.mask ? row.map((sum, j) => sum.set(v128.and(sum, open(i, j)))) : [],
    storeRow(at.c, stored.slice(0, whole), row, i * cRow),
    row
      .slice(whole)
      .map((sum, j) => v128.store(at.spill, sum, (2 * i + j) * VECTOR_BYTES))
      .reverse(),
  ];
  const storeSpilled = (row: readonly Local<"v128">[], i: number): Body => {
    const spilled = row.slice(whole, stored.length);
    return [
      spilled.map((sum, j) => sum.set(v128.load(at.spill, (2 * i + j) * VECTOR_BYTES))),
      storeRow(at.c, stored.slice(whole), spilled, i * cRow),
    ];
  };

  return {
    clear: sums.map((row) => row.map((sum) => sum.set(v128.zero))),
    steps: (count) => [
      Array.from({ length: count }, (_, k) => step(k)),
      increase(at.a, count * aStep),
      increase(at.b, count * bStep),
    ],
    finish: [
      spec.bias === "columns" ? offsets.map((offset, j) => columns[j]!.set(v128.load(at.bias, offset))) : [],
      sums.map(finishRow),
      whole < stored.length ? sums.map(storeSpilled) : [],
    ],
  };
}
