import assert from "node:assert/strict";
import { test } from "node:test";
import { benchKernels } from "../../bench/kernels/bench-kernels.ts";
import { benchTable } from "../../bench/kernels/table.ts";
import { openTestbed } from "../../bench/testbeds/open.ts";
import { openWebGpuTestbed } from "../../bench/testbeds/webgpu.ts";
import { gpuEnvironment, needsGpu } from "../support/gpu.ts";

Object.assign(process.env, gpuEnvironment);
const quickOnGpu = { quick: true, tfjs: false, open: () => openWebGpuTestbed() };

test(
  "a GPU's row is right, timed by the GPU's clock, and beside the adapter's own peak",
  needsGpu,
  async () => {
    const report = await benchKernels({ ...quickOnGpu, op: "add", filter: "128x7x7x64" });
    const { adapter } = report.machine;
    assert.match(adapter!.driver, /Mesa 25\./);
    assert.equal(adapter!.isSoftware, true);
    assert.equal(adapter!.clock, "gpu");
    assert.ok("fmaGflops" in report.peak && report.peak.fmaGflops > 0 && report.peak.memoryGBs > 0);
    assert.ok(report.rows.length > 0);
    for (const row of report.rows) {
      assert.equal(row.device, "webgpu");
      assert.equal(row.kernel, "f32-add-webgpu");
      assert.ok(row.correct && row.medianMs > 0 && row.limitMs > 0);
    }
    assert.match(benchTable(report), /a software adapter: its speed says nothing of a GPU's/);
  },
);

test("ops without a kernel are listed below the rows", needsGpu, async () => {
  const without = await benchKernels({
    ...quickOnGpu,
    op: "add",
    open: async () => ({ ...(await openWebGpuTestbed()), hasKernel: () => false }),
  });
  assert.equal(without.rows.length, 0);
  assert.ok(without.skipped.every(({ why }) => why === "no-kernel"));
  assert.match(benchTable(without), /nothing was measured[^]*add: no kernel on this device \(\d+ shapes\)/);
});

test("an adapter is refused for the processor, naming the flag that it belongs to", async () => {
  await assert.rejects(openTestbed({ device: "wasm", adapter: "nvidia" }), /--adapter with --device webgpu/);
});
