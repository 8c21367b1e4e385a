// `sltrain bench kernels`: every op and shape of the built-in models on the WASM device, beside the machine's measured
// limits and tfjs-backend-wasm, all in one run.

import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { probeWasmTarget } from "../../src/device/wasm/target.ts";
import { SltrainError } from "../../src/errors.ts";
import { measurePeak, type Peak } from "../../src/device/wasm/peak.ts";
import { describeMachine, describeProvenance, type Machine, type Provenance } from "../machine.ts";
import type { PeerCase } from "../peers/tfjs-kernels.ts";
import { flopsOf, modelCases, type Direction, type KernelCase } from "./cases.ts";
import { measureKernel } from "./measure.ts";

export interface BenchOptions {
  /** Only ops of this name. */
  readonly op?: string;
  /** Only rows whose op, shape or models contain this text. */
  readonly filter?: string;
  readonly batchSize: number;
  readonly onRow?: (row: BenchRow) => void;
}

export interface BenchRow {
  readonly op: string;
  readonly kernel: string;
  readonly device: "wasm";
  readonly shape: string;
  readonly params: object;
  readonly direction: Direction;
  readonly models: readonly string[];
  readonly correct: boolean;
  /** Largest error over the largest magnitude, against float64. */
  readonly error: number;
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly gflops: number;
  /** Bytes of all operands and results over the time. */
  readonly gbPerS: number;
  /** Of the faster of the two measured FMA peaks. */
  readonly peakFraction: number;
  readonly tfjsMs: number | null;
  readonly tfjsGflops: number | null;
  /** How many times as fast as tfjs-backend-wasm with V8's default flags. */
  readonly vsTfjs: number | null;
}

export interface BenchReport extends Provenance {
  readonly machine: Machine;
  readonly peak: Peak;
  readonly rows: readonly BenchRow[];
}

/** Throws "bench-nothing" if the selection is empty, naming the ops there are. */
export async function benchKernels({ op, filter, batchSize, onRow }: BenchOptions): Promise<BenchReport> {
  const all = modelCases(batchSize);
  const cases = all.filter(
    (entry) =>
      (op === undefined || entry.op.name === op) &&
      (filter === undefined ||
        [entry.op.name, entry.shape, ...entry.models].some((name) => name.includes(filter))),
  );
  if (cases.length === 0) {
    throw new SltrainError({
      code: "bench-nothing",
      message: `expected kernels to bench, got none for op ${op ?? "(any)"} and filter ${filter ?? "(none)"}`,
      suggestions: [`The ops are ${[...new Set(all.map((entry) => entry.op.name))].join(", ")}.`],
    });
  }
  const target = await probeWasmTarget();
  const peak = await measurePeak();
  const peers = await measurePeers(cases);
  const rows: BenchRow[] = [];
  for (const [i, kernelCase] of cases.entries()) {
    const measured = await measureKernel(() => createWasmDevice({ target }), kernelCase);
    const row = rowOf(kernelCase, measured, peak, peers[i] ?? null);
    rows.push(row);
    onRow?.(row);
  }
  return { ...describeProvenance(), machine: describeMachine(target), peak, rows };
}

function rowOf(
  kernelCase: KernelCase,
  { kernel, correct, error, medianMs, minMs, maxMs }: Awaited<ReturnType<typeof measureKernel>>,
  peak: Peak,
  tfjsMs: number | null,
): BenchRow {
  const flops = flopsOf(kernelCase);
  const { inputs, outputs } = kernelCase.call;
  const bytes = [...inputs, ...outputs].reduce(
    (sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1),
    0,
  );
  const gflopsAt = (ms: number) => flops / ms / 1e6;
  return {
    op: kernelCase.op.name,
    kernel,
    device: "wasm",
    shape: kernelCase.shape,
    params: kernelCase.call.params,
    direction: kernelCase.direction,
    models: kernelCase.models,
    correct,
    error,
    medianMs,
    minMs,
    maxMs,
    gflops: gflopsAt(medianMs),
    gbPerS: bytes / medianMs / 1e6,
    peakFraction: gflopsAt(medianMs) / Math.max(peak.fma128Gflops, peak.fma256Gflops),
    tfjsMs,
    tfjsGflops: tfjsMs === null ? null : gflopsAt(tfjsMs),
    vsTfjs: tfjsMs === null ? null : tfjsMs / medianMs,
  };
}

/** tfjs in a child process: V8's flags are process-wide, and its users run it with the default ones. */
async function measurePeers(cases: readonly KernelCase[]): Promise<readonly (number | null)[]> {
  const script = import.meta.url.endsWith(".ts") ? "../peers/tfjs-kernels.ts" : "../peers/tfjs-kernels.js";
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve(script))], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const input = cases.map(({ op, call }): PeerCase => ({
    op: op.name,
    inputs: call.inputs,
    params: { ...call.params },
  }));
  child.stdin.end(JSON.stringify(input));
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [output, log] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if ((await exited) === 0) return JSON.parse(output) as (number | null)[];
  throw new SltrainError({
    code: "bench-peer-failed",
    message: `the tfjs peer ended with an error: ${log.trim().split("\n").at(-1) ?? ""}`,
    suggestions: ["Install @tensorflow/tfjs-core and @tensorflow/tfjs-backend-wasm 4.22 beside sltrain."],
  });
}
