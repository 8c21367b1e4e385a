// Batch normalisation by statistics that are given: one pass, one invocation for each unit.

import type { KernelCall } from "../../kernel.ts";
import { batchNormInference, type BatchNormParams } from "../../ops/batch-norm.ts";
import { elementCount } from "../../tensor.ts";
import { channelsOf } from "../emit/channels.ts";
import { flatPass } from "../emit/flat.ts";
import type { WebGpuKernel, WebGpuRoutine } from "../kernel.ts";
import { activated, BEFORE_ACTIVATION } from "./affine.ts";

function build(call: KernelCall): WebGpuRoutine {
  const { inputs } = call;
  const { epsilon, activation } = call.params as BatchNormParams;
  const C = elementCount(inputs[1]!);
  const { type, units, width } = channelsOf(C);
  return {
    passes: [
      flatPass({
        count: elementCount(inputs[0]!) / width,
        bindings: {
          x: { of: { input: 0 }, type },
          gamma: { of: { input: 1 }, type },
          beta: { of: { input: 2 }, type },
          mean: { of: { input: 3 }, type },
          variance: { of: { input: 4 }, type },
          y: { of: { output: 0 }, type },
          rstd: { of: { output: 1 }, type },
        },
        body: `let c = i % ${units}u;
  let x = $x[i]; let mean = $mean[c]; let gamma = $gamma[c]; let beta = $beta[c];
  let rstd = inverseSqrt($variance[c] + ${epsilon});
  $y[i] = ${activated(BEFORE_ACTIVATION, type, activation)};
  if (i < ${units}u) { $rstd[c] = rstd; }`,
      }),
    ],
  };
}

export const batchNormInferenceKernel: WebGpuKernel = {
  name: "f32-batch-norm-inference-webgpu",
  op: batchNormInference,
  accepts: () => true,
  build,
};
