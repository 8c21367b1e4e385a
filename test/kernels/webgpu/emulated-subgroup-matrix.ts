// Subgroup matrices for adapters that have none: the kernel's own WGSL, but every invocation holds its subgroup's matrices
// whole, in an array of its own, and loops stand for the built-in functions. What is left of the kernel is all that is not
// the adapter's: which elements lie where, what is loaded with which layout, what is multiplied and where sums go.
//
// A `subgroup_matrix_left<T, K, M>` has K columns and M rows, as _right<T, N, K> and _result<T, N, M> have; element
// (row, column) of one in memory lies at offset + row stride + column where it is row_major, + row + column stride where it
// is col_major. https://dawn.googlesource.com/dawn/+/main/docs/tint/extensions/experimental_subgroup_matrix.md

import assert from "node:assert/strict";
import type { WebGpuKernel, WebGpuTarget } from "../../../src/kernels/webgpu/kernel.ts";

const LOAD =
  /subgroupMatrixLoad<subgroup_matrix_(?:left|right)<f16, (\d+), (\d+)>, (row_major|col_major)>\(&(\w+), /g;
const STORE = /subgroupMatrixStore<row_major>\(&(\w+), /g;

/** The same kernel where `target` has such matrices and the adapter has not; it still needs f16. */
export function emulated(kernel: WebGpuKernel): WebGpuKernel {
  return {
    ...kernel,
    name: `${kernel.name} emulated`,
    build(call, target) {
      const routine = kernel.build(call, target);
      return {
        ...routine,
        passes: routine.passes.map((pass) => ({ ...pass, wgsl: emulate(pass.wgsl, target) })),
      };
    },
  };
}

function emulate(wgsl: string, { subgroupMatrix, subgroupSize }: WebGpuTarget): string {
  const { m, n, k } = subgroupMatrix!;
  const functions = new Map<string, string>();
  // A matrix is where it begins in the array; a place in the text that makes one has a place in the array.
  let elements = 0;
  const place = (rows: number, columns: number): string => {
    const begin = elements;
    elements += rows * columns;
    return `${begin}u`;
  };
  // The number of turns is hidden: compilers for processors would unroll the loops, and take minutes for it.
  const loop = (name: string, turns: number): string =>
    `for (var ${name} = 0u; ${name} < ${turns}u * one; ${name}++)`;
  const body = wgsl
    .replace(/enable (subgroups|chromium_experimental_subgroup_matrix);\n/g, "")
    .replace(
      /,\s*@builtin\(subgroup_id\) (\w+): u32,\s*@builtin\(subgroup_invocation_id\) (\w+): u32\s*\) \{/,
      (_, subgroup: string, lane: string) =>
        `) { one = min(groups.x, 1u);
  let ${subgroup} = thread / ${subgroupSize}u; let ${lane} = thread % ${subgroupSize}u;`,
    )
    .replace(LOAD, (_, columns: string, rows: string, layout: string, memory: string) => {
      const name = `load_${memory}_${layout}`;
      const at = layout === "row_major" ? "row * stride + column" : "row + column * stride";
      functions.set(
        name,
        `fn ${name}(matrix: u32, offset: u32, stride: u32) -> u32 {
  ${loop("row", Number(rows))} { ${loop("column", Number(columns))} {
    matrices[matrix + row * ${columns}u + column] = f32(${memory}[offset + ${at}]);
  } }
  return matrix;
}`,
      );
      return `${name}(${place(Number(rows), Number(columns))}, `;
    })
    .replace(STORE, (_, memory: string) => {
      functions.set(
        "store",
        `fn store(offset: u32, matrix: u32, stride: u32) {
  ${loop("row", m)} { ${loop("column", n)} {
    ${memory}[offset + row * stride + column] = matrices[matrix + row * ${n}u + column];
  } }
}`,
      );
      return "store(";
    })
    .replace(/subgroup_matrix_result<f32, (\d+), (\d+)>\(\)/g, (_, columns: string, rows: string) => {
      assert.deepEqual([Number(columns), Number(rows)], [n, m]);
      return place(m, n);
    })
    .replaceAll("subgroupMatrixMultiplyAccumulate(", "multiply(");
  assert.ok(!/subgroup_?[mM]atrix/.test(body), "a built-in function that is not emulated");
  const library = `var<private> matrices: array<f32, ${elements}>;
var<private> one: u32;
${[...functions.values()].join("\n")}
fn multiply(a: u32, b: u32, sums: u32) -> u32 {
  ${loop("row", m)} { ${loop("column", n)} {
    var sum = matrices[sums + row * ${n}u + column];
    ${loop("i", k)} {
      sum = fma(matrices[a + row * ${k}u + i], matrices[b + i * ${n}u + column], sum);
    }
    matrices[sums + row * ${n}u + column] = sum;
  } }
  return sums;
}`;
  return body.replace("@compute", `${library}\n@compute`);
}
