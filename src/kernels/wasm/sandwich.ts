// The products T X T^T of small constant matrices T with a matrix X of vectors: what Winograd's transforms are made
// of. Written out as additions; a row of the result at a time, so that little is live at once.

import type { FunctionBuilder, Local } from "./emitter.ts";
import { f32, f32x4, v128, type Body, type Statement, type V128 } from "./instructions.ts";
import type { Matrix } from "./winograd-matrices.ts";

/** Vectors of neighbouring lanes; two of them make a pair that V8 joins. */
export type Lanes = readonly V128[];

export interface SandwichSpec {
  readonly matrix: Matrix;
  /** Rows of the result that are wanted; all if absent. */
  readonly rows?: readonly number[];
  /** Columns of the result that are wanted; all if absent. */
  readonly columns?: readonly number[];
  /** Vectors that are worked on side by side. */
  readonly width: number;
}

type Store = (row: number, column: number, values: readonly Local<"v128">[]) => Body;

export interface Sandwich {
  /** Sets the constants; runs once, before any loop. */
  readonly prologue: Body;
  /** A cell of X that is zero throughout is undefined. Cells are read anew for each row of the result. */
  readonly body: (cell: (row: number, column: number) => Lanes | undefined, store: Store) => Body;
}

export function sandwich(f: FunctionBuilder, { matrix, rows, columns, width }: SandwichSpec): Sandwich {
  const cells = matrix[0]!.map((_, index) => index);
  const all = matrix.map((_, index) => index);
  const inner = cells.map(() => f.locals("v128", width));
  const outer = all.map(() => f.locals("v128", width));
  const factors = new Map<number, Local<"v128">>();
  for (const entry of matrix.flat()) {
    const size = Math.abs(entry);
    if (size !== 0 && size !== 1 && !factors.has(size)) factors.set(size, f.local("v128"));
  }

  /** target = the sum of coefficients times terms; false if all of them are zero. */
  const combine = (
    target: readonly Local<"v128">[],
    coefficients: readonly number[],
    terms: readonly (Lanes | undefined)[],
  ): Body | undefined => {
    const present = coefficients
      .map((coefficient, i) => ({ coefficient, term: terms[i] }))
      .filter((one): one is { coefficient: number; term: Lanes } => one.coefficient !== 0 && !!one.term)
      // A sum that begins with a positive term needs no negation.
      .sort((a, b) => Math.sign(b.coefficient) - Math.sign(a.coefficient));
    const [first, ...others] = present;
    if (first === undefined) return undefined;
    return target.map((local, lane): Statement => {
      const scaled = ({ coefficient, term }: typeof first): V128 => {
        const factor = factors.get(Math.abs(coefficient));
        return factor === undefined ? term[lane]! : f32x4.mul(term[lane]!, factor);
      };
      const begin = first.coefficient > 0 ? scaled(first) : f32x4.neg(scaled(first));
      return local.set(
        others.reduce(
          (sum, term) => (term.coefficient > 0 ? f32x4.add : f32x4.sub)(sum, scaled(term)),
          begin,
        ),
      );
    });
  };

  return {
    prologue: [...factors].map(([size, local]) => local.set(f32x4.splat(f32.const(size)))),
    body: (cell, store) =>
      (rows ?? all).map((row) => {
        const sums = cells.map((column) =>
          combine(
            inner[column]!,
            matrix[row]!,
            cells.map((index) => (matrix[row]![index] === 0 ? undefined : cell(index, column))),
          ),
        );
        const terms = sums.map((sum, column) => (sum === undefined ? undefined : inner[column]!));
        const wanted = columns ?? all;
        return [
          sums.map((sum) => sum ?? []),
          wanted.map(
            (column) =>
              combine(outer[column]!, matrix[column]!, terms) ??
              outer[column]!.map((local) => local.set(v128.zero)),
          ),
          wanted.map((column) => store(row, column, outer[column]!)),
        ];
      }),
  };
}
