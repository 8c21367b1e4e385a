// Kernels that add a sparse matrix' shares to rows of a dense one, in the order of the non-zeros and without atomics: each
// row of the target has one owner, who looks at all non-zeros and takes those of its row. Where there are more features than
// non-zeros, a row's owner is its first non-zero, and the others find out that they are not: what lies between is only
// filled, or on the update's own memory not touched at all.

import type { KernelCall } from "../../kernel.ts";
import { sparseDenseGrad, sparseSgdUpdate } from "../../ops/sparse-dense.ts";
import { elementCount } from "../../tensor.ts";
import { elementType, type Width } from "../emit/elements.ts";
import { flatPass, storeVec4 } from "../emit/flat.ts";
import type { Binding, WebGpuKernel, WebGpuPass } from "../kernel.ts";

interface Scatter {
  readonly op: typeof sparseDenseGrad | typeof sparseSgdUpdate;
  readonly operands: readonly string[];
  /** Whether the target begins as input 0, rather than as zeros. */
  readonly updates: boolean;
  /** `sum` with the share of `value` and `dy`. */
  readonly add: string;
}

const gradient: Scatter = {
  op: sparseDenseGrad,
  operands: ["values", "columns", "rowStarts", "dy"],
  updates: false,
  add: "fma(value, dy, sum)",
};

/** Rounds like the formula as it is written. */
const update: Scatter = {
  op: sparseSgdUpdate,
  operands: ["w", "values", "columns", "rowStarts", "dy", "lr"],
  updates: true,
  add: "sum - lr * (value * dy)",
};

function scatterKernel(scatter: Scatter): WebGpuKernel {
  const { op, operands, updates } = scatter;
  return {
    name: `f32-${op.name}-webgpu`,
    op,
    accepts: () => true,
    build({ inputs, outputs }: KernelCall) {
      const capacity = elementCount(inputs[operands.indexOf("values")]!);
      const features = outputs[0]!.shape[0]!;
      const elements = elementCount(outputs[0]!);
      const scatters = (byFeatures: boolean) =>
        scatterPass(scatter, { inputs, outputs, params: {} }, byFeatures);
      if (features <= capacity) return { passes: [scatters(true)] };
      return { passes: [beginPass(elements, updates), scatters(false)] };
    },
  };
}

/** The target's first content; on an update's own memory it is there. */
function beginPass(elements: number, updates: boolean): WebGpuPass {
  return {
    ...flatPass({
      count: Math.ceil(elements / 4),
      bindings: {
        ...(updates && { from: { of: { input: 0 }, type: "vec4f" } as const }),
        to: { of: { output: 0 }, type: "vec4f" },
      },
      body: storeVec4("to", updates ? "$from[i]" : "vec4f()", elements),
    }),
    ...(updates && { unlessInPlace: true as const }),
  };
}

function scatterPass(
  { operands, updates, add }: Scatter,
  { inputs, outputs }: KernelCall,
  byFeatures: boolean,
): WebGpuPass {
  const capacity = elementCount(inputs[operands.indexOf("values")]!);
  const rows = inputs[operands.indexOf("dy")]!.shape[0]!;
  const [features, n] = outputs[0]!.shape as [number, number];
  const width: Width = n % 4 === 0 ? 4 : 1;
  const type = elementType(width);
  const columns = n / width;
  const types: Readonly<Record<string, Binding["type"]>> = {
    ...{ w: type, values: "f32", columns: "u32", rowStarts: "u32", dy: type, lr: "f32" },
  };
  const used = operands.filter((name) => byFeatures || name !== "w");
  const first = updates ? (byFeatures ? "$w" : "$target") : undefined;
  return flatPass({
    count: (byFeatures ? features : capacity) * columns,
    module: `// The row of the non-zero: the last that starts at it or before.
fn row_of(i: u32) -> u32 {
  var low = 0u; var high = ${rows}u;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if ($rowStarts[middle] <= i) { low = middle; } else { high = middle; }
  }
  return low;
}`,
    bindings: {
      ...Object.fromEntries(
        used.map((name): [string, Binding] => [
          name,
          { of: { input: operands.indexOf(name) }, type: types[name]! },
        ]),
      ),
      target: { of: { output: 0 }, type },
    },
    body: `let n = i % ${columns}u;
  let begin = $rowStarts[0];
  let end = min($rowStarts[${rows}], ${capacity}u);
  ${byFeatures ? `let feature = i / ${columns}u; let start = begin;` : emitOwner(columns, features)}
  let at = feature * ${columns}u + n;
  ${updates ? "let lr = $lr[0];" : ""}
  var sum = ${first === undefined ? `${type}()` : `${first}[at]`};
  for (var j = start; j < end; j++) {
    if ($columns[j] == feature) {
      let value = ${type}($values[j]);
      let dy = $dy[row_of(j) * ${columns}u + n];
      sum = ${add};
    }
  }
  $target[at] = sum;`,
  });
}

/** Statements that return unless the non-zero is one, of a feature that there is, and the first of it. */
function emitOwner(columns: number, features: number): string {
  return `let start = i / ${columns}u;
  if (start < begin || start >= end) { return; }
  let feature = $columns[start];
  if (feature >= ${features}u) { return; }
  for (var j = begin; j < start; j++) { if ($columns[j] == feature) { return; } }`;
}

export const sparseScatterKernels: readonly WebGpuKernel[] = [scatterKernel(gradient), scatterKernel(update)];
