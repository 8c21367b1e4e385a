// Matrices in memory as a tile's operands, and as what becomes of its sums.

import type { Binding, BoundMemory } from "../kernel.ts";
import type { TileOperand } from "./tile.ts";

export interface MatrixOperand {
  readonly binding: Binding;
  readonly operand: TileOperand;
}

/**
 * `$name` as [outer, k], row-major, if `along` is "k", as [k, outer] if it is "outer". Rows of whole vec4 are read as such,
 * others element by element: each invocation still reads neighbours.
 */
export function matrixOperand(
  name: string,
  of: BoundMemory,
  along: TileOperand["along"],
  { outer, k }: Readonly<Record<"outer" | "k", number>>,
): MatrixOperand {
  const width = along === "k" ? k : outer;
  const [row, column] = along === "k" ? ["outer", "k"] : ["k", "outer"];
  if (width % 4 === 0)
    return {
      binding: { of, type: "vec4f" },
      operand: { along, load: `return $${name}[${row} * ${width / 4}u + ${column} / 4u];` },
    };
  // Behind a row's end comes the next row, and behind the last one WebGPU reads something of the same buffer.
  const elements = [0, 1, 2, 3].map((i) => `$${name}[at + ${i}u]`);
  return {
    binding: { of, type: "f32" },
    operand: {
      along,
      load: `let at = ${row} * ${width}u + ${column};
  return vec4f(${elements.join(", ")});`,
    },
  };
}

/** How a matrix of `columns` columns is bound where four columns of a row are read and written together. */
export function rowType(columns: number): Binding["type"] {
  return columns % 4 === 0 ? "vec4f" : "f32";
}

/**
 * Statements that store `value` (an expression, vec4) at `row` and the columns from `column` on, of `columns`, of `$name`
 * bound as `rowType` says.
 */
export function storeFour(name: string, value: string, columns: number): string {
  if (columns % 4 === 0) return `$${name}[row * ${columns / 4}u + column / 4u] = ${value};`;
  const lanes = [0, 1, 2, 3].map((lane) => {
    const store = `$${name}[at + ${lane}u] = stored[${lane}];`;
    return lane === 0 ? store : `if (column + ${lane}u < ${columns}u) { ${store} }`;
  });
  return `let stored = ${value}; let at = row * ${columns}u + column;
  ${lanes.join(" ")}`;
}

/** An expression: four columns of a row, as `storeFour` stores them. What lies beyond the row may be anything. */
export function loadFour(name: string, columns: number): string {
  if (columns % 4 === 0) return `$${name}[row * ${columns / 4}u + column / 4u]`;
  const elements = [0, 1, 2, 3].map((lane) => `$${name}[row * ${columns}u + column + ${lane}u]`);
  return `vec4f(${elements.join(", ")})`;
}

/**
 * An expression: the elements (k, column) up to (k, column + 3) of `$name`, [k, columns], or [columns, k] if `transposed`;
 * and how it is bound. Columns beyond the last may be anything.
 */
export function matrixFour(
  name: string,
  transposed: boolean,
  { columns, k }: Readonly<Record<"columns" | "k", number>>,
): { readonly load: string; readonly type: Binding["type"] } {
  if (!transposed && columns % 4 === 0)
    return { load: `$${name}[k * ${columns / 4}u + column / 4u]`, type: "vec4f" };
  const elements = [0, 1, 2, 3].map((i) =>
    transposed ? `$${name}[(column + ${i}u) * ${k}u + k]` : `$${name}[k * ${columns}u + column + ${i}u]`,
  );
  return { load: `vec4f(${elements.join(", ")})`, type: "f32" };
}
