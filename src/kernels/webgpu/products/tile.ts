// The core of matrix products: sums[M, N] = A[M, K] B[K, N] by workgroups that compute one tile of the sums each, with both
// operands' tiles in workgroup memory and a block of sums in each invocation's registers. Whoever uses it says in WGSL how
// an operand is loaded and what becomes of the sums: matrices here, images in implicit GEMM.
//
// Contract of the texts:
// - `a.load` is the body of `fn (outer: u32, k: u32) -> vec4f`, where `outer` is the row; `b.load` the same, where it is the
//   column. `along: "k"` returns (outer, k), (outer, k + 1), … (outer, k + 3); `along: "outer"` returns (outer, k),
//   (outer + 1, k), …: choose what is contiguous in memory. The axis that the four run along is a multiple of 4. It is called
//   with outer and k below their extents only; elements of the four that lie beyond may be anything.
// - `store` is the body of `fn (row: u32, column: u32, split: u32, sums: vec4f)` for the sums at columns column … column + 3
//   of a row below M; column, a multiple of 4, is below N. If N is no multiple of 4, the last of them may lie beyond.
// - `module` holds functions and constants that they use; names that begin with `tile_` are the core's.
// - With `splits` above 1, split s of K's steps has sums of its own and `store` is called for each: store them in scratch and
//   add them in the order of splits (emit/partial-sums.ts).
//
// Each sum is one chain of fma over ascending k, within a split: which tile computes it changes no bit.
//
// An invocation that fetches does so for a step while it multiplies the one before, so that the latency of memory is hidden.

import { assert } from "../../../errors.ts";
import type { WebGpuPass, WebGpuTarget } from "../kernel.ts";
import { walkPass, type Block, type OperandName, type TileProduct } from "./walk.ts";

export { splitsOf, type TileOperand, type TileProduct } from "./walk.ts";

/** All are multiples of 4; an invocation has threadRows x threadColumns sums. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  /** Of K at a time. */
  readonly depth: number;
  readonly threadRows: number;
  readonly threadColumns: number;
}

/** How operands lie in workgroup memory: as f16 they take half of it, and are rounded. Sums are f32. */
export type OperandPrecision = "f32" | "f16";

const VECTOR_BYTES = { f32: 16, f16: 8 } as const;
/** vec4 behind each row of a tile in workgroup memory: rows that begin in other banks. */
const PADDING = 1;

/** Invocations of a workgroup. */
export function threadsOf({ rows, columns, threadRows, threadColumns }: Tile): number {
  return (rows / threadRows) * (columns / threadColumns);
}

/** Both operands' tiles, once. */
function stageBytes({ rows, columns, depth }: Tile, precision: OperandPrecision): number {
  return depth * (rows / 4 + columns / 4 + 2 * PADDING) * VECTOR_BYTES[precision];
}

export function fits(tile: Tile, { workgroupBytes, workgroupInvocations }: WebGpuTarget): boolean {
  return stageBytes(tile, "f32") <= workgroupBytes && threadsOf(tile) <= workgroupInvocations;
}

/** Whether operands may be rounded so, and can be. */
export function allows({ precision, shaderF16 }: WebGpuTarget, operands: OperandPrecision): boolean {
  return operands === "f32" || (precision === operands && shaderF16);
}

/** One pass that computes the product with that tile, which must fit. `f16` needs a target with shaderF16. */
export function tilePass(
  tile: Tile,
  product: TileProduct,
  { workgroupBytes }: WebGpuTarget,
  precision: OperandPrecision = "f32",
): WebGpuPass {
  const { rows, columns, depth } = tile;
  const block: Block = { rows, columns, depth, threads: threadsOf(tile) };
  // With two stages a step stores into one while the slowest invocation still reads the other.
  const stages = 2 * stageBytes(tile, precision) <= workgroupBytes ? 2 : 1;
  const strideOf = { a: rows / 4 + PADDING, b: columns / 4 + PADDING };
  const type = precision === "f32" ? "vec4f" : "vec4h";
  const { begin, compute, end } = emitSums(tile, strideOf, product, precision);
  return walkPass(
    {
      ...{ block, stages, begin, compute, end },
      directives: precision === "f32" ? "" : "enable f16;\n",
      memory: `var<workgroup> tile_a: array<${type}, ${stages * depth * strideOf.a}>;
var<workgroup> tile_b: array<${type}, ${stages * depth * strideOf.b}>;`,
      // Four neighbours of the outer axis are a vec4.
      keep: (name, fours) => {
        const { along } = product[name];
        const stores = fours.map((four, j) => {
          const turned = `vec4f(${fours.map((other) => `${other}[${j}]`).join(", ")})`;
          const value = along === "k" ? turned : four;
          return `tile_${name}[at + ${j * strideOf[name]}u] = ${precision === "f32" ? value : `vec4h(${value})`};`;
        });
        return `let at = (stage * ${depth}u + 4u * block_k) * ${strideOf[name]}u + block_outer;
      ${stores.join(" ")}`;
      },
    },
    product,
  );
}

/** The invocation's block of sums: where it lies, a step's multiply-adds, and the calls that store it. */
function emitSums(
  tile: Tile,
  strideOf: Readonly<Record<OperandName, number>>,
  { accumulate = (a, b, sum) => `fma(${a}, ${b}, ${sum})` }: TileProduct,
  precision: OperandPrecision,
) {
  const widened = (four: string): string => (precision === "f32" ? four : `vec4f(${four})`);
  const { rows, columns, depth, threadRows, threadColumns } = tile;
  const threads = { x: columns / threadColumns, y: rows / threadRows };
  assert(threads.x % 8 === 0 && threads.y % 4 === 0, "a tile's invocations come in blocks of 4 by 8");
  const [groups, fours] = [threadRows / 4, threadColumns / 4];
  const each = <R>(count: number, make: (i: number) => R): R[] =>
    Array.from({ length: count }, (_, i) => make(i));
  const sums = each(groups, (g) =>
    each(4, (i) => each(fours, (h) => ({ name: `sum_${4 * g + i}_${h}`, g, i, h }))),
  ).flat(2);
  return {
    // A subgroup of 32 has 4 by 8 of them: it reads few different vec4 at a time.
    begin: `let warp = thread / 32u; let lane = thread % 32u;
  let x = warp % ${threads.x / 8}u * 8u + lane % 8u;
  let y = warp / ${threads.x / 8}u * 4u + lane / 8u;
  ${sums.map(({ name }) => `var ${name} = vec4f();`).join(" ")}`,
    compute: `var at_a = stage * ${depth * strideOf.a}u + y; var at_b = stage * ${depth * strideOf.b}u + x;
    for (var i = 0u; i < ${depth}u; i++) {
      ${each(groups, (g) => `let a${g} = ${widened(`tile_a[at_a + ${g * threads.y}u]`)};`).join(" ")}
      ${each(fours, (h) => `let b${h} = ${widened(`tile_b[at_b + ${h * threads.x}u]`)};`).join(" ")}
      ${sums.map(({ name, g, i, h }) => `${name} = ${accumulate(`vec4f(a${g}[${i}])`, `b${h}`, name)};`).join("\n      ")}
      at_a += ${strideOf.a}u; at_b += ${strideOf.b}u;
    }`,
    end: sums
      .map(({ name, g, i, h }) => {
        const row = `row0 + 4u * y + ${4 * g * threads.y + i}u`;
        return `tile_put(${row}, column0 + 4u * x + ${4 * h * threads.x}u, split, ${name});`;
      })
      .join("\n  "),
  };
}
