// Softmax of rows and its gradient: a team of invocations a row.

import type { KernelCall } from "../../kernel.ts";
import { softmax, softmaxGrad } from "../../ops/softmax.ts";
import { elementType, horizontalMaximum, horizontalSum, type Width } from "../emit/elements.ts";
import { mathFunctions } from "../emit/math.ts";
import { maximumOf, sumOf, type Reduction } from "../emit/reduce.ts";
import { rowPass, rowTeams } from "../emit/rows.ts";
import { columnWidth } from "../emit/sums.ts";
import type { WebGpuKernel } from "../kernel.ts";

export const ROW_SUM: Reduction = { name: "row_sum", type: "f32", combine: sumOf };
export const ROW_MAXIMUM: Reduction = { name: "row_maximum", type: "f32", combine: maximumOf };
const LEAST_FLOAT = "-0x1.fffffep+127f";

/** Units of a row of that many columns, and how wide they are. */
export function rowUnits(columns: number): { readonly width: Width; readonly units: number } {
  const width = columnWidth(columns);
  return { width, units: columns / width };
}

/** Statements that set `first` (the index of the row's first unit in `$name`) and `maximum`. Needs ROW_MAXIMUM. */
export function findMaximum(name: string, columns: number): string {
  const { width, units } = rowUnits(columns);
  return `let first = row * ${units}u;
    var largest = ${elementType(width)}(${LEAST_FLOAT});
    for (var c = lane; c < ${units}u; c += LANES) { largest = max(largest, $${name}[first + c]); }
    let maximum = row_maximum(${horizontalMaximum("largest", width)}, thread);`;
}

const softmaxKernel: WebGpuKernel = {
  name: "f32-softmax-webgpu",
  op: softmax,
  accepts: () => true,
  build({ inputs }: KernelCall, target) {
    const [rows, columns] = inputs[0]!.shape as [number, number];
    const { width, units } = rowUnits(columns);
    const type = elementType(width);
    const pass = rowPass(
      {
        teams: rowTeams(rows, units),
        bindings: { x: { of: { input: 0 }, type }, y: { of: { output: 0 }, type } },
        reductions: [ROW_MAXIMUM, ROW_SUM],
        module: mathFunctions(["exp"], width),
        row: `${findMaximum("x", columns)}
    var sum = ${type}();
    for (var c = lane; c < ${units}u; c += LANES) { sum += exp_of($x[first + c] - maximum); }
    let total = row_sum(${horizontalSum("sum", width)}, thread);
    if (present) {
      for (var c = lane; c < ${units}u; c += LANES) { $y[first + c] = exp_of($x[first + c] - maximum) / total; }
    }`,
      },
      target,
    );
    return { passes: [pass] };
  },
};

const softmaxGradKernel: WebGpuKernel = {
  name: "f32-softmax-grad-webgpu",
  op: softmaxGrad,
  accepts: () => true,
  build({ inputs }: KernelCall, target) {
    const [rows, columns] = inputs[0]!.shape as [number, number];
    const { width, units } = rowUnits(columns);
    const type = elementType(width);
    const pass = rowPass(
      {
        teams: rowTeams(rows, units),
        bindings: {
          y: { of: { input: 0 }, type },
          dy: { of: { input: 1 }, type },
          dx: { of: { output: 0 }, type },
        },
        reductions: [ROW_SUM],
        row: `let first = row * ${units}u;
    var sum = ${type}();
    for (var c = lane; c < ${units}u; c += LANES) { sum += $y[first + c] * $dy[first + c]; }
    let dot = row_sum(${horizontalSum("sum", width)}, thread);
    if (present) {
      for (var c = lane; c < ${units}u; c += LANES) { $dx[first + c] = $y[first + c] * ($dy[first + c] - dot); }
    }`,
      },
      target,
    );
    return { passes: [pass] };
  },
};

export const softmaxKernels: readonly WebGpuKernel[] = [softmaxKernel, softmaxGradKernel];
