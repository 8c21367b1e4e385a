// Products with subgroup matrices (tensor cores): operands are rounded to f16 in workgroup memory, sums are f32. Each
// subgroup multiplies matrices of the adapter's size for its part of the workgroup's block.
// Source: https://dawn.googlesource.com/dawn/+/main/docs/tint/extensions/experimental_subgroup_matrix.md

import type { WebGpuPass, WebGpuTarget } from "../kernel.ts";
import { walkPass, type OperandName, type TileProduct } from "./walk.ts";

const ROWS = 128;
const COLUMNS = 128;
const DEPTH = 32;
/** Subgroups side by side: with eight, each has 32 x 64 sums, which are 64 registers of an invocation. */
const ACROSS = { rows: 4, columns: 2 } as const;
const SUBGROUPS = ACROSS.rows * ACROSS.columns;
/** Elements of f16 behind each line of a tile in workgroup memory: lines that begin in other banks. */
const PADDING = 8;
const HALF_BYTES = 2;
const FLOAT_BYTES = 4;

/** Of a product's K at a time, for `splitsOf`. */
export const SUBGROUP_MATRIX_BLOCK = { rows: ROWS, columns: COLUMNS, depth: DEPTH } as const;

/** Lines of a tile run along the axis that its operand's loader runs along. */
function lineOf(name: OperandName, { a, b }: Pick<TileProduct, "a" | "b">) {
  const outer = name === "a" ? ROWS : COLUMNS;
  const alongK = (name === "a" ? a : b).along === "k";
  const stride = (alongK ? DEPTH : outer) + PADDING;
  return { alongK, stride, elements: stride * (alongK ? outer : DEPTH) };
}

/** Whether the target has matrices of a size that the block consists of, and room for it whichever way the lines run. */
export function hasSubgroupMatrices(target: WebGpuTarget): boolean {
  const { subgroupMatrix, subgroupSize, shaderF16, workgroupBytes, workgroupInvocations } = target;
  if (subgroupMatrix === undefined || subgroupSize === undefined || !shaderF16) return false;
  const { m, n, k } = subgroupMatrix;
  const divides = (ROWS / ACROSS.rows) % m === 0 && (COLUMNS / ACROSS.columns) % n === 0 && DEPTH % k === 0;
  const longest = Math.max(ROWS * (DEPTH + PADDING), DEPTH * (ROWS + PADDING));
  return (
    divides &&
    n % 4 === 0 &&
    (m * n) % (4 * subgroupSize) === 0 &&
    SUBGROUPS * subgroupSize <= workgroupInvocations &&
    2 * longest * HALF_BYTES + SUBGROUPS * m * n * FLOAT_BYTES <= workgroupBytes
  );
}

/** One pass that computes the product; the target must have the matrices. Rows of sums are stored by `product.store`. */
export function subgroupMatrixPass(product: TileProduct, target: WebGpuTarget): WebGpuPass {
  const { m, n, k } = target.subgroupMatrix!;
  const size = target.subgroupSize!;
  const lines = { a: lineOf("a", product), b: lineOf("b", product) };
  const [below, beside] = [ROWS / ACROSS.rows / m, COLUMNS / ACROSS.columns / n];
  const each = (count: number, make: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => make(i)).join("\n    ");
  const load = (name: OperandName, i: number): string => {
    const { alongK, stride } = lines[name];
    const [outer, type] =
      name === "a"
        ? [`top + ${i * m}u`, `subgroup_matrix_left<f16, ${k}, ${m}>`]
        : [`left + ${i * n}u`, `subgroup_matrix_right<f16, ${n}, ${k}>`];
    const offset = alongK ? `(${outer}) * ${stride}u + k` : `k * ${stride}u + ${outer}`;
    // A is row by row where its lines run along k, B where they run along its columns.
    const layout = (name === "a") === alongK ? "row_major" : "col_major";
    return `let ${name}${i} = subgroupMatrixLoad<${type}, ${layout}>(&tile_${name}, ${offset}, ${stride}u);`;
  };
  return walkPass(
    {
      block: { ...SUBGROUP_MATRIX_BLOCK, threads: SUBGROUPS * size },
      stages: 1,
      directives: `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
`,
      memory: `var<workgroup> tile_a: array<f16, ${lines.a.elements}>;
var<workgroup> tile_b: array<f16, ${lines.b.elements}>;
var<workgroup> tile_sums: array<f32, ${SUBGROUPS * m * n}>;`,
      parameters: "@builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32",
      begin: `let top = subgroup / ${ACROSS.columns}u * ${ROWS / ACROSS.rows}u;
  let left = subgroup % ${ACROSS.columns}u * ${COLUMNS / ACROSS.columns}u;
  ${each(below * beside, (i) => `var sums${i} = subgroup_matrix_result<f32, ${n}, ${m}>();`)}`,
      keep: (name, fours) => {
        const { alongK, stride } = lines[name];
        const [line, place] = alongK ? ["block_outer", "block_k"] : ["block_k", "block_outer"];
        const stores = fours.map((four, j) =>
          [0, 1, 2, 3].map((i) => `tile_${name}[at + ${j * stride + i}u] = f16(${four}[${i}]);`).join(" "),
        );
        return `let at = 4u * ${line} * ${stride}u + 4u * ${place};
      ${stores.join("\n      ")}`;
      },
      compute: `for (var k = 0u; k < ${DEPTH}u; k += ${k}u) {
    ${each(below, (i) => load("a", i))}
    ${each(beside, (j) => load("b", j))}
    ${each(below * beside, (i) => {
      const [row, column] = [Math.floor(i / beside), i % beside];
      return `sums${i} = subgroupMatrixMultiplyAccumulate(a${row}, b${column}, sums${i});`;
    })}
  }`,
      // Through workgroup memory, a matrix of each subgroup at a time: who holds which sum is the driver's secret.
      end: each(below * beside, (i) => {
        const [row, column] = [Math.floor(i / beside) * m, (i % beside) * n];
        return `subgroupMatrixStore<row_major>(&tile_sums, subgroup * ${m * n}u, sums${i}, ${n}u);
    workgroupBarrier();
    for (var four = lane; four < ${(m * n) / 4}u; four += ${size}u) {
      let at = subgroup * ${m * n}u + 4u * four;
      tile_put(row0 + top + ${row}u + four / ${n / 4}u, column0 + left + ${column}u + four % ${n / 4}u * 4u, split,
        vec4f(tile_sums[at], tile_sums[at + 1u], tile_sums[at + 2u], tile_sums[at + 3u]));
    }
    workgroupBarrier();`;
      }),
    },
    product,
  );
}
