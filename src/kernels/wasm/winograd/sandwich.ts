// The products T X T^T of small constant matrices T with a matrix X of vectors: what Winograd's transforms are made
// of. A row or two of T X at a time, so that little is live at once.

import type { FunctionBuilder, Local, ModuleBuilder } from "../../../wasm/emitter.ts";
import { v128, type Body } from "../../../wasm/instructions.ts";
import { MirroredMap, type Lanes } from "./mirrored-map.ts";
import type { Matrix } from "./winograd-matrices.ts";

export interface SandwichSpec {
  readonly matrix: Matrix;
  /** Rows of the result that are wanted; all if absent. */
  readonly rows?: readonly number[];
  /** Columns of the result that are wanted; all if absent. */
  readonly columns?: readonly number[];
  /** Vectors that are worked on side by side. */
  readonly width: number;
}

type Cell = (row: number, column: number) => Lanes | undefined;
type Store = (row: number, column: number, values: readonly Local<"v128">[]) => Body;

export interface Sandwich {
  /** Sets the constants: for the top of the function, ahead of all loops. */
  readonly prologue: Body;
  /** A cell of X that is zero throughout is undefined. Cells are read anew for each group of rows of the result. */
  readonly body: (cell: Cell, store: Store) => Body;
}

export function sandwich(module: ModuleBuilder, f: FunctionBuilder, spec: SandwichSpec): Sandwich {
  const { matrix, width } = spec;
  const map = new MirroredMap(module, f, matrix, width);
  const all = matrix.map((_, index) => index);
  const cells = matrix[0]!.map((_, index) => index);
  const rowGroups = map.groupsOf(spec.rows ?? all);
  const columnGroups = map.groupsOf(spec.columns ?? all);
  /** T X, for a group of rows. */
  const inner = [0, 1].map(() => cells.map(() => f.locals("v128", width)));
  const outer = [0, 1].map(() => f.locals("v128", width));
  return {
    prologue: map.prologue,
    body: (cell, store) =>
      rowGroups.map((rows) => {
        const products = cells.map((column) =>
          map.apply(
            rows,
            cells.map((index) =>
              rows.some((row) => matrix[row]![index] !== 0) ? cell(index, column) : undefined,
            ),
            (row) => inner[rows.indexOf(row)]![column]!,
          ),
        );
        return [
          products.map(({ body }) => body),
          rows.map((row, i) => {
            const terms = products.map((product, column) =>
              product.rows.includes(row) ? inner[i]![column]! : undefined,
            );
            return columnGroups.map((columns) => {
              const targetOf = (column: number) => outer[columns.indexOf(column)]!;
              const { body, rows: made } = map.apply(columns, terms, targetOf);
              const zeros = columns.filter((column) => !made.includes(column)).map(targetOf);
              return [
                body,
                zeros.map((target) => target.map((local) => local.set(v128.zero))),
                columns.map((column) => store(row, column, targetOf(column))),
              ];
            });
          }),
        ];
      }),
  };
}
