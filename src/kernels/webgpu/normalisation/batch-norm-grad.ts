// The gradient of batch normalisation: both sums over slices of rows; then each workgroup joins those of its columns and
// makes dx of its slice. Two passes over x and dy, or one if there is one slice and the adapter lets a pass bind all nine
// operands; with two, the first leaves the columns of gamma, beta, mean and rstd beside its sums, for the second to bind.

import type { KernelCall } from "../../kernel.ts";
import { batchNormGrad, type BatchNormGradParams } from "../../ops/batch-norm.ts";
import { elementCount } from "../../tensor.ts";
import { channelsOf } from "../emit/channels.ts";
import type { Binding, BoundMemory, WebGpuKernel, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { BEFORE_ACTIVATION } from "./affine.ts";
import { overOwnRows, overSlices, rowSlices, slicePass } from "./row-slices.ts";

/** One value for each channel, which dx needs of it. */
const COLUMNS = ["gamma", "beta", "mean", "rstd"] as const;

function build(call: KernelCall, target: WebGpuTarget): WebGpuRoutine {
  const { activation, statistics } = call.params as BatchNormGradParams;
  const C = elementCount(call.inputs[1]!);
  const channels = channelsOf(C);
  const { type, units } = channels;
  const slices = rowSlices(channels, elementCount(call.inputs[0]!) / C);
  const bind = (memory: Readonly<Record<string, BoundMemory>>): Readonly<Record<string, Binding>> =>
    Object.fromEntries(Object.entries(memory).map(([name, of]) => [name, { of, type }]));

  const eachColumn = (emit: (name: string, index: number) => string): string => COLUMNS.map(emit).join(" ");
  const loadColumns = (from: (name: string, index: number) => string): string =>
    `${eachColumn((name) => `var ${name} = ${type}();`)} var slope = ${type}(); var shift = ${type}();
  if (inside) { ${eachColumn((name, i) => `${name} = ${from(name, i)};`)} }`;
  const loadOperands = loadColumns((name) => `$${name}[c]`);
  const letThrough = `select(${type}(), $dy[i], ${BEFORE_ACTIVATION} > ${type}())`;
  const loadRow = `let x = $x[i]; let z = (x - mean) * rstd;
      let g = ${activation === "relu" ? letThrough : "$dy[i]"};`;
  const sumSlice = overOwnRows(slices, `${loadRow} slope += g * z; shift += g;`);
  const dx = statistics === "batch" ? `scale * (g - (dbeta + z * dgamma) / ${slices.rows})` : "scale * g";
  const result = `let dgamma = add_down(slope, thread); let dbeta = add_down(shift, thread);
  if (inside && group.y == 0u && down == 0u) { $dgamma[c] = dgamma; $dbeta[c] = dbeta; }
  let scale = gamma * rstd;
  ${overOwnRows(slices, `${loadRow} $dx[i] = ${dx};`)}`;
  const columns = bind({ gamma: { input: 1 }, beta: { input: 2 }, mean: { input: 4 }, rstd: { input: 5 } });
  const rows = bind({ x: { input: 0 }, dy: { input: 3 } });
  const outputs = bind({ dx: { output: 0 }, dgamma: { output: 1 }, dbeta: { output: 2 } });
  const together = { ...rows, ...columns, ...outputs };
  if (slices.slices === 1 && Object.keys(together).length <= target.storageBuffers) {
    const body = [loadOperands, sumSlice, result].join("\n  ");
    return { passes: [slicePass(slices, together, body, target)] };
  }

  // (2 slices + 4, C): slopes, shifts, and the columns.
  const lineOf = (line: number): string => `${line * units}u`;
  const columnsFrom = 2 * slices.slices;
  const leave = `let slice_slope = add_down(slope, thread); let slice_shift = add_down(shift, thread);
  if (inside && down == 0u) {
    let p = group.y * ${units}u + c;
    $partials[p] = slice_slope; $partials[${lineOf(slices.slices)} + p] = slice_shift;
    if (group.y == 0u) {
      ${eachColumn((name, i) => `$partials[${lineOf(columnsFrom + i)} + c] = ${name};`)}
    }
  }`;
  const loadLeft = loadColumns((_, i) => `$partials[${lineOf(columnsFrom + i)} + c]`);
  const join = overSlices(slices, `slope += $partials[p]; shift += $partials[${lineOf(slices.slices)} + p];`);
  const sums = { ...rows, ...columns, ...bind({ partials: { scratch: "partials", write: true } }) };
  const results = { ...rows, ...outputs, ...bind({ partials: { scratch: "partials" } }) };
  return {
    passes: [
      slicePass(slices, sums, [loadOperands, sumSlice, leave].join("\n  "), target),
      slicePass(slices, results, [loadLeft, join, result].join("\n  "), target),
    ],
    scratch: { partials: (columnsFrom + COLUMNS.length) * C },
  };
}

export const batchNormGradKernel: WebGpuKernel = {
  name: "f32-batch-norm-grad-webgpu",
  op: batchNormGrad,
  accepts: () => true,
  build,
};
