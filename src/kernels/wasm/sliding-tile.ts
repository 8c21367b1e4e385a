// The micro-kernel of direct convolution and its gradients: tiles c[rows x width] of sums over a nest of three loops,
// kept in registers while they run. tile.ts is its simpler sister for matrix products.
//
// Every element is one chain of multiply-adds in the order of the nest, begun at zero; what is accumulated in memory
// is added at the end. So tiles of any shape give equal bits.

import { increase, repeat, whileLoop, type FunctionRef, type Local, type ModuleBuilder } from "./emitter.ts";
import { f32x4, v128, type Body, type V128 } from "./instructions.ts";
import { FLOAT_BYTES, storeRow, VECTOR_BYTES, VECTOR_FLOATS, vectorsOf } from "./lanes.ts";

/** How an operand's address moves along the nest `runs` x `segments` x `length`, and from tile to tile, in bytes. */
export interface NestStrides {
  readonly step: number;
  readonly segment: number;
  readonly run: number;
  readonly tile: number;
}

export interface SlidingTileSpec {
  /** Bytes in a from the first row of c to each, at most `tileRows(width)`. */
  readonly rows: readonly number[];
  /** Columns of c. */
  readonly width: number;
  readonly length: number;
  readonly segments: number;
  /** One float of a for each row, `width` floats of b. */
  readonly a: NestStrides;
  readonly b: NestStrides;
  readonly c: { readonly row: number; readonly tile: number };
  /** The machine works on pairs of vectors (see WasmTarget.wide). */
  readonly paired: boolean;
  /** c += product rather than c = product. */
  readonly accumulate: boolean;
  /** Adds bias[width] to every row, or bias[rows] to every column. */
  readonly bias: "columns" | "rows" | undefined;
  /** Clamps at zero, after the bias; a NaN stays NaN. */
  readonly relu: boolean;
  /** Zeroes what the mask, which lies as c does, does not let through. */
  readonly mask: boolean;
}

const MAXIMUM_UNROLL = 4;

/** Steps per loop pass: a whole short stretch, else the largest divisor up to MAXIMUM_UNROLL, else two and a rest. */
function unrollOf(length: number): number {
  if (length <= MAXIMUM_UNROLL + 1) return length;
  return [4, 3, 2].find((steps) => length % steps === 0) ?? 2;
}

/**
 * A function (a, b, c, bias, mask, spill, runs, tiles): six addresses, of which `bias` and `mask` are ignored where
 * there is none, the number of runs (0: the sums are zero), and the number of tiles.
 *
 * Wide tiles compute in pairs of vectors, and V8 joins a pair only if both halves are stored side by side, and whole.
 * So a last pair that sticks out of the tile goes to `spill`, and from there its own lanes go to c.
 */
export function emitSlidingTile(module: ModuleBuilder, spec: SlidingTileSpec): FunctionRef {
  const { rows, width, length, segments, a, b, c } = spec;
  const names = ["a", "b", "c", "bias", "mask", "spill", "runs", "tiles"] as const;
  return module.func(`sliding tile ${JSON.stringify(spec)}`, names, (p, f) => {
    const stored = vectorsOf(width);
    const offsets = Array.from(
      { length: spec.paired ? Math.ceil(stored.length / 2) * 2 : stored.length },
      (_, j) => j * VECTOR_BYTES,
    );
    /** Vectors that are stored as they are; the rest, at most a pair, is spilled. */
    const whole = spec.paired ? Math.floor(width / (2 * VECTOR_FLOATS)) * 2 : stored.length;
    const sums = rows.map(() => f.locals("v128", offsets.length));
    const columns = f.locals("v128", offsets.length);
    const factor = f.local("v128");
    const at = f.named("i32", ["a", "b", "run", "segment", "pass"]);

    const multiplyAdd = (x: V128, y: V128, z: V128): V128 =>
      module.relaxedSimd ? f32x4.relaxedMadd(x, y, z) : f32x4.add(f32x4.mul(x, y), z);
    const step = (k: number) => [
      offsets.map((offset, j) => columns[j]!.set(v128.load(at.b, k * b.step + offset))),
      sums.map((row, i) => [
        factor.set(v128.load32Splat(at.a, k * a.step + rows[i]!)),
        row.map((sum, j) => sum.set(multiplyAdd(factor, columns[j]!, sum))),
      ]),
    ];
    const steps = (count: number) => [
      Array.from({ length: count }, (_, k) => step(k)),
      increase(at.a, count * a.step),
      increase(at.b, count * b.step),
    ];
    const unroll = unrollOf(length);
    const segment = [
      repeat(at.pass, Math.floor(length / unroll), steps(unroll)),
      length % unroll === 0 ? [] : steps(length % unroll),
      increase(at.a, a.segment - length * a.step),
      increase(at.b, b.segment - length * b.step),
    ];

    const earlier = (i: number, j: number) => v128.load(p.c, i * c.row + offsets[j]!);
    const letThrough = (i: number, j: number) =>
      f32x4.gt(v128.load(p.mask, i * c.row + offsets[j]!), v128.zero);
    const finishRow = (row: readonly Local<"v128">[], i: number): Body => [
      spec.accumulate ? row.map((sum, j) => sum.set(f32x4.add(earlier(i, j), sum))) : [],
      spec.bias === "rows" ? factor.set(v128.load32Splat(p.bias, i * FLOAT_BYTES)) : [],
      spec.bias === undefined
        ? []
        : row.map((sum, j) => sum.set(f32x4.add(sum, spec.bias === "rows" ? factor : columns[j]!))),
      spec.relu ? row.map((sum) => sum.set(f32x4.pmax(sum, v128.zero))) : [],
      spec.mask ? row.map((sum, j) => sum.set(v128.and(sum, letThrough(i, j)))) : [],
      storeRow(p.c, stored.slice(0, whole), row, i * c.row),
      row
        .slice(whole)
        .map((sum, j) => v128.store(p.spill, sum, (2 * i + j) * VECTOR_BYTES))
        .reverse(),
    ];
    const storeSpilled = (row: readonly Local<"v128">[], i: number): Body => {
      const spilled = row.slice(whole, stored.length);
      return [
        spilled.map((sum, j) => sum.set(v128.load(p.spill, (2 * i + j) * VECTOR_BYTES))),
        storeRow(p.c, stored.slice(whole), spilled, i * c.row),
      ];
    };

    return whileLoop(p.tiles, [
      sums.map((row) => row.map((sum) => sum.set(v128.zero))),
      at.a.set(p.a),
      at.b.set(p.b),
      at.run.set(p.runs),
      whileLoop(at.run, [
        repeat(at.segment, segments, segment),
        increase(at.a, a.run - segments * a.segment),
        increase(at.b, b.run - segments * b.segment),
        increase(at.run, -1),
      ]),
      spec.bias === "columns" ? offsets.map((offset, j) => columns[j]!.set(v128.load(p.bias, offset))) : [],
      sums.map(finishRow),
      whole < stored.length ? sums.map(storeSpilled) : [],
      increase(p.a, a.tile),
      increase(p.b, b.tile),
      increase(p.c, c.tile),
      spec.mask ? increase(p.mask, c.tile) : [],
      increase(p.tiles, -1),
    ]);
  });
}
