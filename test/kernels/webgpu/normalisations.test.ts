import { after, before, suite, test } from "node:test";
import type { WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { batchNormGradKernel } from "../../../src/kernels/webgpu/normalisation/batch-norm-grad.ts";
import { batchNormKernel } from "../../../src/kernels/webgpu/normalisation/batch-norm.ts";
import type { WebGpuKernel } from "../../../src/kernels/webgpu/kernel.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { createTestGpu, needsGpu } from "../../support/gpu.ts";
import { caseOf, operandsOf, type Case } from "../cases.ts";
import { assertClose, expected } from "../expected.ts";
import { runCall } from "./run-calls.ts";
import { testCalls } from "./test-calls.ts";

testCalls("normalisations");

suite("batch norm of several slices of rows", needsGpu, () => {
  let device: WebGpuDevice;
  before(async () => {
    device = await createTestGpu();
  });
  after(() => device.destroy());

  const [rows, columns] = [3_001, 20];
  const [x, vector] = [f32(rows, columns), f32(columns)];

  const withoutSubgroups = (kernel: WebGpuKernel): WebGpuKernel => ({
    ...kernel,
    build: (call, target) => kernel.build(call, { ...target, subgroupSize: undefined }),
  });
  const check = async (kernel: WebGpuKernel, one: Case, operands = operandsOf(one)) => {
    assertClose(
      kernel.name,
      one,
      await runCall(device, kernel, one, operands),
      expected(one, operands),
      2e-6,
    );
  };

  test("does without subgroups", async () => {
    const forward = caseOf("batch-norm", [x, vector, vector], { epsilon: 1e-3, activation: "relu" });
    await check(withoutSubgroups(batchNormKernel), forward);
    const operands = [x, vector, vector, x, vector, vector];
    const backward = caseOf("batch-norm-grad", operands, { activation: "none", statistics: "batch" });
    await check(withoutSubgroups(batchNormGradKernel), backward);
  });

  test("keeps the variance where means are up to 20,000 times the deviations", async () => {
    const one = caseOf("batch-norm", [x, vector, vector], { epsilon: 1e-3, activation: "none" });
    const [values, ...rest] = operandsOf(one);
    const far = (values as Float32Array).map((value, i) => 1000 * (1 + (i % columns)) + value);
    const [, mean, variance] = await runCall(device, batchNormKernel, one, [far, ...rest]);
    const [, wantedMean, wantedVariance] = expected(one, [far, ...rest]);
    assertClose("mean", one, [mean!], [wantedMean!], 2e-6);
    // Around 1: the squares of what was normalised are around 1e8.
    assertClose("variance", one, [variance!], [{ ...wantedVariance!, scale: 1 }], 1e-4);
  });
});
