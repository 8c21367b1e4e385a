// `node bench/webgpu/run.ts`: everything that is wanted of a GPU, in one unattended run of some minutes: peak, products and
// convolutions, training steps, the host's time, process starts, memory. Writes bench/results/webgpu-<adapter>.json after
// each section, so that what was measured is there whatever comes after, and prints tables.
//
//   --adapter index|name   the first unless given
//   --results FILE         instead of bench/results/webgpu-<adapter>.json
//   --no-tfjs --no-torch   without the peers; one that is not installed is told, and left out
//   --smoke                tiny shapes, for a software adapter

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findAdapter } from "../../src/device/webgpu/adapters.ts";
import { openDawn } from "../../src/device/webgpu/dawn.ts";
import { SltrainError, assert } from "../../src/errors.ts";
import { reportJson } from "../json.ts";
import { bestOf, type GpuPeak } from "../kernels/roofline.ts";
import { describeProvenance } from "../machine.ts";
import { benchSteps, type LackingModel, type StepsRow } from "../steps/bench-steps.ts";
import { startTorch } from "../steps/peer-steps.ts";
import { openWebGpuTestbed } from "../testbeds/webgpu.ts";
import { measureHostTime } from "./host-time.ts";
import { convolutionCases, measureKernels, productCases, type AskTorch } from "./kernels.ts";
import { measureMatrixPeaks } from "./matrix-peak.ts";
import { measureMemoryGrowth } from "./memory-growth.ts";
import { fullPlan, smokePlan } from "./plan.ts";
import { measureProcessStarts } from "./process-starts.ts";
import type { GpuReport } from "./report.ts";
import { gpuTable } from "./table.ts";

const { values: flags } = parseArgs({
  allowNegative: true,
  options: {
    adapter: { type: "string" },
    results: { type: "string" },
    tfjs: { type: "boolean", default: true },
    torch: { type: "boolean", default: true },
    smoke: { type: "boolean", default: false },
  },
});
const plan = flags.smoke ? smokePlan : fullPlan;
const tell = (line: string) => process.stderr.write(`${line}\n`);

const testbed = await openWebGpuTestbed(flags.adapter);
const { name } = testbed.machine.adapter!;
const slug = name
  .toLowerCase()
  .replaceAll(/[^a-z0-9]+/g, "-")
  .replaceAll(/^-|-$/g, "");
const resultsFile =
  flags.results ?? fileURLToPath(new URL(`../results/webgpu-${slug}.json`, import.meta.url));
const report: GpuReport = {
  ...describeProvenance(),
  machine: testbed.machine,
  plan,
  failures: [],
  seconds: {},
};

/** One section's failure must not cost what the others find. */
async function section(title: string, measure: () => Promise<Partial<GpuReport>>): Promise<void> {
  tell(`${title} …`);
  const beganMs = performance.now();
  try {
    Object.assign(report, await measure());
  } catch (error) {
    report.failures.push({ section: title, message: (error as Error).message });
  }
  report.seconds[title] = (performance.now() - beganMs) / 1000;
  writeFileSync(resultsFile, `${reportJson(report)}\n`);
}

const torch = flags.torch
  ? await startTorch("webgpu", 1).catch((error: unknown) => {
      if (!(error instanceof SltrainError)) throw error;
      tell([`${error.message}.`, ...error.suggestions].join(" "));
      return undefined;
    })
  : undefined;
if (torch) report.torch = torch.facts;
const askTorch: AskTorch | undefined = torch && ((question) => torch.ask(question));

const measurePeak = async () => (await testbed.measurePeak()) as GpuPeak;
await section("peak", async () => ({ peak: bestOf(await measurePeak(), await measurePeak()) }));
assert(report.peak !== undefined, report.failures[0]?.message ?? "no peak");
const { fmaGflops } = report.peak;
await section("products", async () => ({
  products: await measureKernels(testbed, productCases(plan), fmaGflops, askTorch),
}));
await section("convolutions", async () => ({
  convolutions: await measureKernels(testbed, convolutionCases(plan), fmaGflops, askTorch),
}));
torch?.close();
await section("subgroup matrices", async () => ({ matrixPeaks: await measureMatrixPeaks(name) }));
await section("f16", async () => {
  const halves = await openWebGpuTestbed(flags.adapter, "f16");
  try {
    return {
      halfProducts: await measureKernels(halves, productCases(plan), fmaGflops, undefined),
      halfConvolutions: await measureKernels(halves, convolutionCases(plan), fmaGflops, undefined),
    };
  } finally {
    halves.close();
  }
});

await section("steps", async () => {
  const rows: StepsRow[] = [];
  const lacking: LackingModel[] = [];
  for (const { model, batchSize } of plan.steps) {
    const steps = await benchSteps({
      ...{ models: [model], batchSize, threads: 1, tfjs: flags.tfjs, torch: torch !== undefined },
      open: () => Promise.resolve({ ...testbed, close: () => {} }),
      onHint: tell,
    });
    rows.push(...steps.rows);
    lacking.push(...steps.lacking);
  }
  return { steps: { rows, lacking } };
});

await section("host time", async () => {
  const { batchSize, hostSteps: steps } = plan;
  const settings = { model: "lenet5", batchSize, warmUpSteps: steps / 5, steps };
  const { adapter } = await findAdapter(flags.adapter);
  const nullAdapter = await (await openDawn("null")).requestAdapter();
  assert(nullAdapter !== null, "Dawn has no null backend");
  return {
    hostTime: {
      adapter: await measureHostTime(adapter, settings),
      nullBackend: await measureHostTime(nullAdapter, settings),
    },
  };
});
await section("memory", async () => ({
  memory: await testbed.use((device) =>
    measureMemoryGrowth(device, { batchSize: plan.batchSize, seconds: plan.memoryS }),
  ),
}));
await section("process starts", async () => ({
  processStarts: await measureProcessStarts(flags.adapter, plan.processStarts),
}));

testbed.close();
console.log(gpuTable(report));
tell(`\n${resultsFile}`);
const { products = [], halfProducts = [], convolutions = [], halfConvolutions = [], steps } = report;
const checked = [
  ...[...products, ...halfProducts, ...convolutions, ...halfConvolutions],
  ...(steps?.rows ?? []),
];
const wrong = checked.some(({ correct }) => !correct);
if (wrong || report.failures.length > 0) process.exitCode = 1;
