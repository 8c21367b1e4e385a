import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { goalsOf, type GpuReport } from "../../bench/webgpu/report.ts";
import { gpuEnvironment, needsGpu } from "../support/gpu.ts";

const folder = mkdtempSync(join(tmpdir(), "sltrain-gpu-bench-"));
after(() => rmSync(folder, { recursive: true }));

test("everything that is measured on a GPU is measured in one run, and written to a file", needsGpu, () => {
  const results = join(folder, "gpu.json");
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      fileURLToPath(new URL("../../bench/webgpu/run.ts", import.meta.url)),
      ...["--smoke", "--no-torch", "--no-tfjs", "--results", results],
    ],
    { encoding: "utf8", env: { ...process.env, ...gpuEnvironment } },
  );
  assert.equal(status, 0, stderr);
  const report = JSON.parse(readFileSync(results, "utf8")) as GpuReport;
  assert.deepEqual(report.failures, []);
  assert.ok(report.peak!.fmaGflops > 0);
  const { products, convolutions, halfProducts, halfConvolutions } = report;
  assert.equal(halfConvolutions!.length, convolutions!.length);
  for (const row of [products!, convolutions!, halfProducts!, halfConvolutions!].flat())
    assert.ok(row.correct && row.gflops! > 0, row.shape);
  const [lenet5] = report.steps!.rows;
  assert.ok(lenet5!.model === "lenet5" && lenet5!.gradientError! < 1e-4);
  const { adapter, nullBackend } = report.hostTime!;
  assert.ok(adapter.submitMs > 0 && nullBackend.submitMs > 0 && nullBackend.callsMs > 0);
  const { starts, clean, failures } = report.processStarts!;
  assert.ok(clean === starts, failures.join("\n"));
  assert.ok(report.memory!.steps > 0);
  assert.match(stdout, /process starts that ended cleanly\s+2\s+2\s+met/);
});

test("goals are judged on a GPU, and not on a software adapter or where nothing was measured", () => {
  const report = {
    machine: { adapter: { isSoftware: false } },
    products: [
      { shape: "4096x4096 4096x4096", params: {}, peakFraction: 0.7 },
      { shape: "1024x1024 1024x1024", params: {}, peakFraction: 0.3 },
    ],
    steps: { rows: [{ model: "resnet34", vsTorch: 0.8, vsTfjs: null }] },
  } as unknown as GpuReport;
  const judged = (of: GpuReport) => goalsOf(of).map(({ met }) => met);
  assert.deepEqual(judged(report), [true, false, true, null]);
  const software = { ...report, machine: { adapter: { isSoftware: true } } } as GpuReport;
  assert.deepEqual(judged(software), [null, null, null, null]);
});
