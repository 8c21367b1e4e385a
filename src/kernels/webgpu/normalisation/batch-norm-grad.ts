// The gradient of batch normalisation: both sums over slices of rows; then each workgroup joins those of its columns and
// makes dx of its slice. Two passes over x and dy, or one if there is one slice.

import type { KernelCall } from "../../kernel.ts";
import { batchNormGrad, type BatchNormGradParams } from "../../ops/batch-norm.ts";
import { elementCount } from "../../tensor.ts";
import { channelsOf } from "../emit/channels.ts";
import type { Binding, BoundMemory, WebGpuKernel, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { BEFORE_ACTIVATION } from "./affine.ts";
import { overOwnRows, overSlices, rowSlices, slicePass } from "./row-slices.ts";

function build(call: KernelCall, target: WebGpuTarget): WebGpuRoutine {
  const { activation, statistics } = call.params as BatchNormGradParams;
  const C = elementCount(call.inputs[1]!);
  const channels = channelsOf(C);
  const { type, units } = channels;
  const slices = rowSlices(channels, elementCount(call.inputs[0]!) / C);
  const bind = (memory: Readonly<Record<string, BoundMemory>>): Readonly<Record<string, Binding>> =>
    Object.fromEntries(Object.entries(memory).map(([name, of]) => [name, { of, type }]));
  const inputs = bind(
    Object.fromEntries(["x", "gamma", "beta", "dy", "mean", "rstd"].map((name, input) => [name, { input }])),
  );
  const outputs = bind({ dx: { output: 0 }, dgamma: { output: 1 }, dbeta: { output: 2 } });

  const columns = ["gamma", "beta", "mean", "rstd"];
  const loadColumns = `${columns.map((name) => `var ${name} = ${type}();`).join(" ")}
  if (inside) { ${columns.map((name) => `${name} = $${name}[c];`).join(" ")} }
  var slope = ${type}(); var shift = ${type}();`;
  const letThrough = `select(${type}(), $dy[i], ${BEFORE_ACTIVATION} > ${type}())`;
  const loadRow = `let x = $x[i]; let z = (x - mean) * rstd;
      let g = ${activation === "relu" ? letThrough : "$dy[i]"};`;
  const sumSlice = overOwnRows(slices, `${loadRow} slope += g * z; shift += g;`);
  const dx = statistics === "batch" ? `scale * (g - (dbeta + z * dgamma) / ${slices.rows})` : "scale * g";
  const result = `let dgamma = add_down(slope, thread); let dbeta = add_down(shift, thread);
  if (inside && group.y == 0u && down == 0u) { $dgamma[c] = dgamma; $dbeta[c] = dbeta; }
  let scale = gamma * rstd;
  ${overOwnRows(slices, `${loadRow} $dx[i] = ${dx};`)}`;
  if (slices.slices === 1) {
    const body = [loadColumns, sumSlice, result].join("\n  ");
    return { passes: [slicePass(slices, { ...inputs, ...outputs }, body, target)] };
  }

  const partials = (write?: true) =>
    bind({
      slopes: { scratch: "slopes", ...(write && { write }) },
      shifts: { scratch: "shifts", ...(write && { write }) },
    });
  const leave = `let slice_slope = add_down(slope, thread); let slice_shift = add_down(shift, thread);
  if (inside && down == 0u) {
    let p = group.y * ${units}u + c;
    $slopes[p] = slice_slope; $shifts[p] = slice_shift;
  }`;
  const join = overSlices(slices, "slope += $slopes[p]; shift += $shifts[p];");
  const sums = [loadColumns, sumSlice, leave].join("\n  ");
  return {
    passes: [
      slicePass(slices, { ...inputs, ...partials(true) }, sums, target),
      slicePass(
        slices,
        { ...inputs, ...outputs, ...partials() },
        [loadColumns, join, result].join("\n  "),
        target,
      ),
    ],
    scratch: { slopes: slices.slices * C, shifts: slices.slices * C },
  };
}

export const batchNormGradKernel: WebGpuKernel = {
  name: "f32-batch-norm-grad-webgpu",
  op: batchNormGrad,
  accepts: () => true,
  build,
};
