// `sltrain bench kernels`: every op and shape of the built-in models on the WASM device, beside the machine's measured
// limits and tfjs-backend-wasm, all in one run.

import { measurePeak, type Peak } from "../../src/device/wasm/peak.ts";
import { narrowWasmTarget, probeWasmTarget } from "../../src/device/wasm/target.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { SltrainError } from "../../src/errors.ts";
import { nearestName } from "../../src/nearest-name.ts";
import { describeMachine, describeProvenance, type Machine, type Provenance } from "../machine.ts";
import { PeerProcess, peerScript } from "../peers/peer-process.ts";
import type { PeerAnswer, PeerCase, TfjsFacts } from "../peers/tfjs-kernels.ts";
import { bytesOf, flopsOf, kernelCases, type Direction, type KernelCase } from "./cases.ts";
import { measureKernel, quick, thorough, type Measurement } from "./measure.ts";
import { bestOf, limitOf, peakGflops, type Limit } from "./roofline.ts";

export interface BenchOptions {
  /** Only ops of this name. */
  readonly op?: string | undefined;
  /** Only rows whose op, shape or models contain this text. */
  readonly filter?: string | undefined;
  /** Of all models, instead of their own batches. */
  readonly batchSize?: number | undefined;
  /** Small models at one batch, fewer samples. */
  readonly quick: boolean;
  readonly tfjs: boolean;
  /** "128": without V8's joining of vectors. Only in a process that has not compiled anything with it. */
  readonly target: "auto" | "128";
  /** Called before each case. */
  readonly onCase?: (done: number, total: number, name: string) => void;
}

export interface BenchRow extends Measurement, Limit {
  readonly op: string;
  readonly device: "wasm";
  readonly shape: string;
  readonly params: object;
  readonly direction: Direction;
  readonly models: readonly string[];
  /** Of the op as it is defined: a Winograd kernel does fewer, and is `effective`. */
  readonly gflops: number;
  readonly effective: boolean;
  /** Bytes of all operands and results over the time. */
  readonly gbPerS: number;
  /** Of the faster of the two measured FMA peaks. */
  readonly peakFraction: number;
  /** Of the roofline at this row: limitMs / medianMs. */
  readonly limitFraction: number;
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

/** tf.js is not asked for what would take it longer, by its speed at smaller shapes of the op. */
const MAX_PEER_MS = 800;

/** Throws "bench-nothing" if the selection is empty, with the op that was probably meant. */
export async function benchKernels(options: BenchOptions): Promise<BenchReport> {
  const cases = selectCases(options);
  const target = options.target === "128" ? narrowWasmTarget() : await probeWasmTarget();
  const firstPeak = await measurePeak(target);
  const plan = options.quick ? quick : thorough;
  const peer = options.tfjs ? await startTfjs() : undefined;
  const peerGflops = new Map<string, number>();
  const measured: Measured[] = [];
  try {
    // Small shapes of an op first: they tell how long tf.js takes for large ones.
    for (const [i, kernelCase] of cases.toReversed().entries()) {
      options.onCase?.(i, cases.length, `${kernelCase.op.name} ${kernelCase.shape}`);
      const kind = `${kernelCase.op.name} ${kernelCase.direction}`;
      const measurement = await measureKernel(() => createWasmDevice({ target }), kernelCase, plan);
      const flops = flopsOf(kernelCase);
      const predictedMs = flops / (peerGflops.get(kind) ?? Infinity) / 1e6;
      const tfjsMs = peer === undefined || predictedMs > MAX_PEER_MS ? null : await ask(peer, kernelCase);
      if (tfjsMs !== null) peerGflops.set(kind, flops / tfjsMs / 1e6);
      measured.unshift({ kernelCase, measurement, tfjsMs });
    }
  } finally {
    peer?.close();
  }
  const peak = bestOf(firstPeak, await measurePeak(target));
  const rows = measured.map((row) => rowOf(row, peak));
  return { ...describeProvenance(), machine: describeMachine(target), peak, rows };
}

interface Measured {
  readonly kernelCase: KernelCase;
  readonly measurement: Measurement;
  readonly tfjsMs: number | null;
}

function selectCases({ op, filter, batchSize, quick: isQuick }: BenchOptions): readonly KernelCase[] {
  const all = kernelCases({ batchSize, quick: isQuick });
  const cases = all.filter(
    (entry) =>
      (op === undefined || entry.op.name === op) &&
      (filter === undefined ||
        [entry.op.name, entry.shape, ...entry.models].some((name) => name.includes(filter))),
  );
  if (cases.length > 0) return cases;
  const ops = [...new Set(all.map((entry) => entry.op.name))];
  const near = op === undefined || ops.includes(op) ? undefined : nearestName(op, ops);
  throw new SltrainError({
    code: "bench-nothing",
    message: `expected kernels to bench, got none for op ${op ?? "(any)"} and filter ${filter ?? "(none)"}`,
    suggestions: [
      near === undefined
        ? "Leave out --op and --filter: the rows of the whole bench name all ops, shapes and models."
        : `Did you mean ${near}?`,
    ],
  });
}

function rowOf({ kernelCase, measurement, tfjsMs }: Measured, peak: Peak): BenchRow {
  const { op, call, direction, shape, models } = kernelCase;
  const flops = flopsOf(kernelCase);
  const bytes = bytesOf(call);
  const limit = limitOf(flops, bytes, peak);
  const gflopsAt = (ms: number) => flops / ms / 1e6;
  const gflops = gflopsAt(measurement.medianMs);
  return {
    op: op.name,
    device: "wasm",
    ...{ shape, params: call.params, direction, models },
    ...measurement,
    ...limit,
    gflops,
    effective: measurement.kernel.includes("winograd"),
    gbPerS: bytes / measurement.medianMs / 1e6,
    peakFraction: gflops / peakGflops(peak),
    limitFraction: limit.limitMs / measurement.medianMs,
    tfjsMs,
    tfjsGflops: tfjsMs === null ? null : gflopsAt(tfjsMs),
    vsTfjs: tfjsMs === null ? null : tfjsMs / measurement.medianMs,
  };
}

/** tfjs in a child process: V8's flags are process-wide, and its users run it with the default ones. */
async function startTfjs(): Promise<PeerProcess> {
  const script = `tfjs-kernels.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`;
  const peer = new PeerProcess({
    name: "tfjs",
    command: [process.execPath, peerScript(script)],
    suggestion: "Install @tensorflow/tfjs-core and @tensorflow/tfjs-backend-wasm 4.22 beside sltrain.",
  });
  await peer.read<TfjsFacts>();
  return peer;
}

async function ask(peer: PeerProcess, { op, call }: KernelCase): Promise<number | null> {
  const question: PeerCase = { op: op.name, inputs: call.inputs, params: { ...call.params } };
  return (await peer.ask<PeerAnswer>(question)).medianMs;
}
