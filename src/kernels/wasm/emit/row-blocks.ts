// Walks matrices [rows, columns] in the order of memory: blocks of rows, in a block pairs of vectors from left to right.
// What belongs to a column is loaded once for the rows of a block, and V8 joins the pairs into 256-bit operations.

import {
  increase,
  whileLoop,
  type FunctionBuilder,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { i32, v128, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { Phase } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, type Vector } from "../../../wasm/lanes.ts";

/** A block ends within so many bytes: longer jumps from row to row defeat the processor's prefetching (3 times slower). */
const BLOCK_BYTES = 512;
const MAXIMUM_BLOCK_ROWS = 8;

/** Rows of a block: a function of the columns alone. */
export function blockRows(columns: number): number {
  const fitting = Math.floor(BLOCK_BYTES / (columns * FLOAT_BYTES));
  return Math.max(1, Math.min(MAXIMUM_BLOCK_ROWS, fitting));
}

/** Addresses of operands and results by name: a kernel function's parameters. */
export type Operands<N extends string> = Readonly<Record<N, Local<"i32">>>;

/** Loads vector j of what lies at an address: of a matrix's row, or of a vector of one element per column. */
export type Load = (address: Local<"i32">, offsetBytes?: number) => V128;

export interface RowBlocks {
  readonly columns: number;
  /** Rows to walk; 0 at the end. */
  readonly rows: Local<"i32">;
  /** Addresses of the first rows; they end behind the last ones. */
  readonly matrices: readonly Local<"i32">[];
  /** Addresses of what has one element per column; they come back to where they were. */
  readonly vectors: readonly Local<"i32">[];
}

/** Where a tile's values lie: `rows` rows of one or two neighbouring vectors. */
export interface Tile {
  readonly rows: number;
  readonly vectors: readonly Vector[];
  /** Vector j of row `row`; `address` is a matrix's. */
  readonly load: (address: Local<"i32">, row: number, j: number) => V128;
  readonly store: (address: Local<"i32">, row: number, values: readonly V128[]) => Body;
  /** Vector j of what has one row. */
  readonly loadColumn: (address: Local<"i32">, j: number, offsetBytes?: number) => V128;
}

/** `tile` is called for each kind of tile: with all of a block's rows or one, and with all of two vectors or less. */
export function rowBlocks(
  f: FunctionBuilder,
  { columns, rows, matrices, vectors: columnVectors }: RowBlocks,
  tile: (tile: Tile) => Body,
): Body {
  const pass = f.local("i32");
  const rowBytes = columns * FLOAT_BYTES;
  const block = (count: number): Body => [
    sweep(columns, pass, [...matrices, ...columnVectors], (vectors) =>
      pairsOf(vectors).map((pair) =>
        tile({
          rows: count,
          vectors: pair,
          load: (address, row, j) => v128.load(address, row * rowBytes + pair[j]!.offset),
          store: (address, row, values) => storeRow(address, pair, values, row * rowBytes),
          loadColumn: (address, j, offsetBytes = 0) => v128.load(address, pair[j]!.offset + offsetBytes),
        }),
      ),
    ),
    matrices.map((matrix) => increase(matrix, (count - 1) * rowBytes)),
    columnVectors.map((vector) => increase(vector, -rowBytes)),
    increase(rows, -count),
  ];
  const full = blockRows(columns);
  return [full > 1 ? whileLoop(i32.geU(rows, full), block(full)) : [], whileLoop(rows, block(1))];
}

function pairsOf(vectors: readonly Vector[]): readonly (readonly Vector[])[] {
  return vectors.flatMap((_, i) => (i % 2 === 0 ? [vectors.slice(i, i + 2)] : []));
}

/** y's elements from those at the same place and from what belongs to their columns. */
export interface RowFormula {
  readonly sources: readonly Local<"i32">[];
  readonly target: Local<"i32">;
  /** Addresses of what has one element per column. */
  readonly vectors: readonly Local<"i32">[];
  /** Sets up what belongs to the columns of a tile's vector j. */
  readonly columns: (load: Load, j: number) => Body;
  /** Computes vector j of one row: after `body`, `value`. */
  readonly element: (load: Load, j: number) => { readonly body?: Body; readonly value: V128 };
}

/** The phase of such a formula: units are rows. `names` are the call's operands and results, and `shared` if it has any. */
export function rowsPhase<const N extends readonly string[]>(
  module: ModuleBuilder,
  key: string,
  [rows, columns]: readonly [rows: number, columns: number],
  names: N,
  build: (p: Operands<N[number]>, f: FunctionBuilder) => RowFormula,
): Phase {
  const parameters: readonly string[] = ["begin", "end", ...names, "scratch"];
  const func = module.func(`${key} ${columns}`, parameters, (all, f) => {
    const p = all as Operands<N[number] | "begin" | "end">;
    const remaining = f.local("i32");
    const values = f.locals("v128", 2);
    const formula = build(p, f);
    const matrices = [...formula.sources, formula.target];
    return [
      matrices.map((matrix) => increase(matrix, i32.mul(p.begin, columns * FLOAT_BYTES))),
      remaining.set(i32.sub(p.end, p.begin)),
      rowBlocks(f, { columns, rows: remaining, matrices, vectors: formula.vectors }, (tile) => [
        tile.vectors.map((_, j) =>
          formula.columns((address, offset) => tile.loadColumn(address, j, offset), j),
        ),
        Array.from({ length: tile.rows }, (_, row) => [
          tile.vectors.map((__, j) => {
            const { body = [], value } = formula.element((address) => tile.load(address, row, j), j);
            return [body, values[j]!.set(value)];
          }),
          tile.store(formula.target, row, values),
        ]),
      ]),
    ];
  });
  return { func, extent: rows, grain: blockRows(columns) };
}
