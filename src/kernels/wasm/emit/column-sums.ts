// Sums over the rows of a matrix, one per column, in two phases: groups of rows each leave partial sums in `shared`,
// then these are added in the order of the groups. The groups follow from the shape alone, so that threads and slices
// change no bits, and memory is read from its beginning to its end.

import {
  forRange,
  increase,
  repeat,
  type FunctionBuilder,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { f32x4, i32, memory, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { Phase } from "../kernel.ts";
import { FLOAT_BYTES, SWEEP_FLOATS, type Vector } from "../../../wasm/lanes.ts";
import { blockRows, rowBlocks, type Load, type Operands } from "./row-blocks.ts";

/** A group has about so many bytes, so that its partial sums are little beside it, but no more rows than ... */
const GROUP_BYTES = 65536;
/** ... this, for rounding errors grow with their number ... */
const MAXIMUM_GROUP_ROWS = 1024;
/** ... and no fewer than this, ... */
const MINIMUM_GROUP_ROWS = 64;
/** ... and there are at most so many groups: the last phase adds them one by one. */
const MAXIMUM_GROUPS = 256;

export interface RowGroups {
  readonly rows: number;
  readonly columns: number;
  readonly groupRows: number;
  readonly count: number;
  /** Rows of the last group. */
  readonly lastRows: number;
  /** From one row of partial sums to the next: whole cache lines. */
  readonly strideBytes: number;
}

/** Groups of about equal sizes. */
export function rowGroups(rows: number, columns: number): RowGroups {
  const fitting = Math.min(MAXIMUM_GROUP_ROWS, GROUP_BYTES / (columns * FLOAT_BYTES));
  const wanted = Math.max(MINIMUM_GROUP_ROWS, fitting, rows / MAXIMUM_GROUPS);
  const evenly = rows / Math.ceil(rows / wanted);
  const groupRows = Math.ceil(evenly / blockRows(columns)) * blockRows(columns);
  const count = Math.ceil(rows / groupRows);
  const strideBytes = Math.ceil(columns / SWEEP_FLOATS) * SWEEP_FLOATS * FLOAT_BYTES;
  return { rows, columns, groupRows, count, lastRows: rows - (count - 1) * groupRows, strideBytes };
}

/** Rows of floats that each group has in `shared`. */
export interface Partials {
  readonly sums: number;
  /** Behind the sums, for `before` to fill. */
  readonly others?: number;
}

export function bytesPerGroup({ strideBytes }: RowGroups, { sums, others = 0 }: Partials): number {
  return (sums + others) * strideBytes;
}

/** Bytes of `shared` that the groups take, from its beginning. */
export function partialBytes(groups: RowGroups, partials: Partials): number {
  return groups.count * bytesPerGroup(groups, partials);
}

export interface GroupSums {
  /** Addresses of the matrices' first rows. */
  readonly matrices: readonly Local<"i32">[];
  /** Addresses of what has one element per column. */
  readonly vectors?: readonly Local<"i32">[];
  /** Runs before each group, when the matrices' addresses are those of its first row; `sums` is that of its sums. */
  readonly before?: (sums: Local<"i32">) => Body;
  /** Sets up what belongs to vector j's columns. */
  readonly columns?: (load: Load, j: number) => Body;
  /** One term per sum, of vector j of one row. */
  readonly terms: (load: Load, j: number) => { readonly body?: Body; readonly terms: readonly V128[] };
}

/** The phase of partial sums: units are groups. `names` are the call's operands and results. */
export function groupSumsPhase<const N extends readonly string[]>(
  module: ModuleBuilder,
  key: string,
  groups: RowGroups,
  partials: Partials,
  names: N,
  build: (p: Operands<N[number] | "shared">, f: FunctionBuilder) => GroupSums,
): Phase {
  const { columns, groupRows, count, lastRows, strideBytes } = groups;
  const rowBytes = columns * FLOAT_BYTES;
  const groupBytes = bytesPerGroup(groups, partials);
  const parameters: readonly string[] = ["begin", "end", ...names, "shared", "scratch"];
  const func = module.func(`${key} sums ${groups.rows}x${columns}`, parameters, (all, f) => {
    const p = all as Operands<N[number] | "begin" | "end" | "shared">;
    const { group, rows, sums } = f.named("i32", ["group", "rows", "sums"]);
    const totals = Array.from({ length: partials.sums }, () => f.locals("v128", 2));
    const { matrices, vectors = [], before, columns: columnsOf, terms } = build(p, f);
    return [
      sums.set(i32.add(p.shared, i32.mul(p.begin, groupBytes))),
      matrices.map((matrix) => increase(matrix, i32.mul(p.begin, groupRows * rowBytes))),
      forRange(group, p.begin, p.end, 1, [
        memory.fill(sums, 0, partials.sums * strideBytes),
        before?.(sums) ?? [],
        rows.set(i32.select(i32.eq(group, count - 1), lastRows, groupRows)),
        rowBlocks(f, { columns, rows, matrices, vectors: [...vectors, sums] }, (tile) => [
          columnsOf === undefined
            ? []
            : tile.vectors.map((_, j) => columnsOf((address) => tile.loadColumn(address, j), j)),
          Array.from({ length: tile.rows }, (_, row) =>
            tile.vectors.map((__, j) => {
              const { body = [], terms: values } = terms((address) => tile.load(address, row, j), j);
              return [
                body,
                values.map((value, k) => {
                  const total = totals[k]![j]!;
                  return total.set(row === 0 ? value : f32x4.add(total, value));
                }),
              ];
            }),
          ),
          totals.map((total, k) => [
            tile.vectors.map(({ offset }, j) =>
              total[j]!.set(f32x4.add(v128.load(sums, k * strideBytes + offset), total[j]!)),
            ),
            tile.vectors
              .map(({ offset }, j) => v128.store(sums, total[j]!, k * strideBytes + offset))
              .reverse(),
          ]),
        ]),
        increase(sums, groupBytes),
      ]),
    ];
  });
  return { func, extent: count, grain: 1 };
}

/**
 * For the last phase: totals[k][j] = the partial sums k of vector j, added in the order of the groups. `shared` is the
 * address of the vectors' columns in the first row of partial sums; the groups have no other rows.
 */
export function addGroups(
  f: FunctionBuilder,
  { count, strideBytes }: RowGroups,
  shared: Local<"i32">,
  vectors: readonly Vector[],
  totals: readonly (readonly Local<"v128">[])[],
): Body {
  const { at, group } = f.named("i32", ["at", "group"]);
  return [
    totals.map((total) => vectors.map((_, j) => total[j]!.set(v128.zero))),
    at.set(shared),
    repeat(group, count, [
      totals.map((total, k) =>
        vectors.map(({ offset }, j) =>
          total[j]!.set(f32x4.add(total[j]!, v128.load(at, k * strideBytes + offset))),
        ),
      ),
      increase(at, totals.length * strideBytes),
    ]),
  ];
}
