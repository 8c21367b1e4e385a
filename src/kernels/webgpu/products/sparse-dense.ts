// Kernel of a sparse matrix in CSR form times a dense one: a team of invocations for a row's columns, one or four at a time,
// each of which takes every so many of the row's non-zeros.

import type { KernelCall } from "../../kernel.ts";
import { sparseDense } from "../../ops/sparse-dense.ts";
import { elementCount } from "../../tensor.ts";
import { elementType, type Width } from "../emit/elements.ts";
import { gridOf } from "../emit/grid.ts";
import { powerOfTwo, reduceDirective, reduceFunction, sumOf } from "../emit/reduce.ts";
import type { Binding, WebGpuKernel } from "../kernel.ts";

const WORKGROUP = 128;
/** Non-zeros of an average row for each invocation of its team. */
const NON_ZEROS_PER_LANE = 4;
const MOST_LANES = 32;

export const sparseDenseKernel: WebGpuKernel = {
  name: "f32-sparse-dense-webgpu",
  op: sparseDense,
  accepts: () => true,
  build({ inputs, outputs }: KernelCall, target) {
    const capacity = elementCount(inputs[0]!);
    const [features, n] = inputs[3]!.shape as [number, number];
    const rows = outputs[0]!.shape[0]!;
    const biased = inputs.length === 5;
    const width: Width = n % 4 === 0 ? 4 : 1;
    const type = elementType(width);
    const columns = n / width;
    const lanes = Math.min(MOST_LANES, powerOfTwo(capacity / rows / NON_ZEROS_PER_LANE));
    const teams = WORKGROUP / lanes;
    const units = rows * columns;
    const grid = gridOf(Math.ceil(units / teams));
    // Neighbours read neighbouring columns of w; teams of one row stand beside each other.
    const stride = Math.min(teams, powerOfTwo(columns));
    const add = reduceFunction(
      { name: "add_team", type, combine: sumOf },
      { lanes, stride, workgroup: WORKGROUP },
      target,
    );
    const bindings: Record<string, Binding> = {
      values: { of: { input: 0 }, type: "f32" },
      columns: { of: { input: 1 }, type: "u32" },
      rowStarts: { of: { input: 2 }, type: "u32" },
      w: { of: { input: 3 }, type },
      ...(biased && { bias: { of: { input: 4 }, type } }),
      y: { of: { output: 0 }, type },
    };
    return {
      passes: [
        {
          wgsl: `${reduceDirective(target)}${add}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread / ${stride}u % ${lanes}u;
  let unit = (${grid.index("group")}) * ${teams}u + thread % ${stride}u + thread / ${stride * lanes}u * ${stride}u;
  // All must meet where the team's sums are added: those beyond the last unit compute it once more.
  let within = min(unit, ${units - 1}u);
  let row = within / ${columns}u;
  let n = within % ${columns}u;
  let end = min($rowStarts[row + 1u], ${capacity}u);
  var part = ${type}();
  for (var i = $rowStarts[row] + lane; i < end; i += ${lanes}u) {
    let column = $columns[i];
    // A negative one is beyond all features, too.
    if (column < ${features}u) { part = fma(${type}($values[i]), $w[column * ${columns}u + n], part); }
  }
  let sum = add_team(part, thread);
  if (lane == 0u && unit < ${units}u) { $y[unit] = sum${biased ? " + $bias[n]" : ""}; }
}`,
          bindings,
          workgroups: [grid.x, grid.y, 1],
        },
      ],
    };
  },
};
