// An adapter that offers no more than WebGPU's default limits, which all have: eight storage buffers to a pass, workgroups
// of 256 invocations and 16 KiB. Every kernel keeps to them, and models with batch normalisation train on it.

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Replica } from "../../../src/algorithms/replica.ts";
import type { Device } from "../../../src/device/device.ts";
import { createWasmDevice } from "../../../src/device/wasm/wasm-device.ts";
import { createWebGpuDevice, type WebGpuDevice } from "../../../src/device/webgpu/webgpu-device.ts";
import { f32 } from "../../../src/kernels/tensor.ts";
import { ops } from "../../../src/kernels/ops/index.ts";
import { batchNormGradKernel } from "../../../src/kernels/webgpu/normalisation/batch-norm-grad.ts";
import { webgpuKernels } from "../../../src/kernels/webgpu/kernels.ts";
import { goldenCases } from "../../golden/cases.ts";
import { expectGolden } from "../../golden/expect-golden.ts";
import { playGolden, readGolden } from "../../golden/golden-case.ts";
import { allCases, caseOf, operandsOf } from "../../kernels/cases.ts";
import { assertClose, bitsOf, expected } from "../../kernels/expected.ts";
import { runCall } from "../../kernels/webgpu/run-calls.ts";
import { createTestGpu, needsGpu, testAdapter } from "../../support/gpu.ts";
import { FEATURES, residual } from "../../support/residual-model.ts";

const MOST_BUFFERS = 8;
const STEPS = 1;
/** A software GPU compiles each of the deep models' shaders for a second. */
const hasTime = ["SLTRAIN_TEST_GPU", "SLTRAIN_TEST_SECONDS"].some((name) => process.env[name] !== undefined);

suite("a device of WebGPU's default limits", needsGpu, () => {
  let device: WebGpuDevice;
  before(async () => {
    const plain = await (await testAdapter()).requestDevice();
    device = await createWebGpuDevice(await testAdapter(), { limits: plain.limits });
    plain.destroy();
  });
  after(() => device.destroy());

  test("tells kernels of them", () => {
    const { storageBuffers, workgroupInvocations, workgroupBytes } = device.target;
    assert.deepEqual(
      { storageBuffers, workgroupInvocations, workgroupBytes },
      { storageBuffers: MOST_BUFFERS, workgroupInvocations: 256, workgroupBytes: 16_384 },
    );
  });

  test("no kernel binds more buffers, wherever operands lie", () => {
    for (const kernel of webgpuKernels)
      for (const { op, call, label } of allCases) {
        if (ops[op] !== kernel.op || !kernel.accepts(call, device.target)) continue;
        for (const { bindings } of kernel.build(call, device.target).passes)
          assert.ok(Object.keys(bindings).length <= MOST_BUFFERS, `${kernel.name}, ${label}`);
      }
  });

  test("batch norm of few rows has the bits in two passes that it has in one", async () => {
    const [x, vector] = [f32(5, 20), f32(20)];
    const operands = [x, vector, vector, x, vector, vector];
    const one = caseOf("batch-norm-grad", operands, { activation: "relu", statistics: "batch" });
    const passes = (storageBuffers: number) =>
      batchNormGradKernel.build(one.call, { ...device.target, storageBuffers }).passes.length;
    assert.deepEqual([passes(MOST_BUFFERS), passes(MOST_BUFFERS + 1)], [2, 1]);
    const wide = await createTestGpu();
    const values = operandsOf(one);
    const got = await runCall(device, batchNormGradKernel, one, values);
    assertClose("two passes", one, got, expected(one, values), 2e-6);
    assert.deepEqual(bitsOf(await runCall(wide, batchNormGradKernel, one, values)), bitsOf(got));
    wide.destroy();
  });

  test("a residual block with batch normalisation trains on it as on the processor", async () => {
    const count = 8;
    const x = Float32Array.from({ length: count * FEATURES }, (_, i) => Math.sin(i));
    const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
    const gradientsOn = async (on: Device): Promise<Float32Array> => {
      const replica = new Replica({
        device: on,
        topology: residual(),
        loss: "softmax-cross-entropy",
        seed: 1,
      });
      await replica.runTraining({ count, x, labels, step: 0, sampleOffset: 0 });
      return Float32Array.from(await replica.read("gradients"));
    };
    const wasm = await createWasmDevice();
    const [got, wanted] = [await gradientsOn(device), await gradientsOn(wasm)];
    const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert.ok(largest > 0);
    got.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) <= 1e-4 * largest, `gradient ${i}`));
    wasm.destroy();
  });

  for (const name of ["resnet20", "mobilenet"])
    test(`${name} trains on it`, { skip: !hasTime && "SLTRAIN_TEST_SECONDS=600 runs it" }, async () => {
      const golden = await readGolden(name);
      const { topology } = goldenCases.find((one) => one.name === name)!;
      expectGolden(await playGolden(device, topology, golden, STEPS), golden, STEPS);
    });
});
