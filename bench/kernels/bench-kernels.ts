// `sltrain bench kernels`: every op and shape of the built-in models on one device, beside its measured limits and tf.js's
// backend of the same kind, all in one run.

import { SltrainError } from "../../src/errors.ts";
import { nearestName } from "../../src/nearest-name.ts";
import { describeProvenance, type Machine, type Provenance } from "../machine.ts";
import { PeerProcess, peerScript } from "../peers/peer-process.ts";
import { tfjsBackendOf, tfjsSuggestion } from "../peers/tfjs-backend.ts";
import type { PeerAnswer, PeerCase, TfjsFacts } from "../peers/tfjs-kernels.ts";
import { bytesOf, flopsOf, kernelCases, type Direction, type KernelCase } from "./cases.ts";
import type { Testbed } from "../testbeds/testbed.ts";
import { measureKernel, quick, thorough, type Measurement } from "./measure.ts";
import { bestOf, limitOf, peakGflops, type Limit, type Peak } from "./roofline.ts";

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
  /** What to measure on. */
  readonly open: () => Promise<Testbed>;
  /** Called before each case. */
  readonly onCase?: (done: number, total: number, name: string) => void;
}

export interface BenchRow extends Measurement, Limit {
  readonly op: string;
  readonly device: Testbed["device"];
  readonly shape: string;
  readonly params: object;
  readonly direction: Direction;
  readonly models: readonly string[];
  /** Of the op as it is defined: a Winograd kernel does fewer, and is `effective`. */
  readonly gflops: number;
  readonly effective: boolean;
  /** Bytes of all operands and results over the time. */
  readonly gbPerS: number;
  /** Of the measured FMA peak, on a processor the faster of two. */
  readonly peakFraction: number;
  /** Of the roofline at this row: limitMs / medianMs. */
  readonly limitFraction: number;
  readonly tfjsMs: number | null;
  readonly tfjsGflops: number | null;
  /** How many times as fast as tf.js's backend of the same kind, on wasm with V8's default flags. */
  readonly vsTfjs: number | null;
}

/** A case that was not measured. */
export interface SkippedCase {
  readonly op: string;
  readonly shape: string;
  readonly params: object;
  readonly models: readonly string[];
  /** No kernel for it on the device; longer than a quick bench may take on a software adapter; or an error. */
  readonly why: "no-kernel" | "too-long" | "failed";
  readonly message: string;
}

export interface BenchReport extends Provenance {
  readonly machine: Machine;
  readonly peak: Peak;
  readonly rows: readonly BenchRow[];
  readonly skipped: readonly SkippedCase[];
}

/** What a bench may take: one run of a kernel, by its op's speed at smaller shapes, and all cases together. */
interface Budget {
  readonly runMs: number;
  readonly benchMs: number;
}
const NO_BUDGET: Budget = { runMs: Infinity, benchMs: Infinity };
/** Of a quick bench where a processor plays the GPU: two minutes with what comes before and after. */
const SOFTWARE_BUDGET: Budget = { runMs: 60, benchMs: 90_000 };

/** tf.js is not asked for what would take it longer, by its speed at smaller shapes of the op. */
const MAX_PEER_MS = 800;

/** Throws "bench-nothing" if the selection is empty, with the op that was probably meant. */
export async function benchKernels(options: BenchOptions): Promise<BenchReport> {
  const cases = selectCases(options);
  const testbed = await options.open();
  let peer: PeerProcess | undefined;
  try {
    const firstPeak = await testbed.measurePeak();
    const plan = options.quick ? quick : thorough;
    peer = options.tfjs ? await startTfjs(testbed) : undefined;
    const budget = options.quick && testbed.isSoftware ? SOFTWARE_BUDGET : NO_BUDGET;
    const endMs = performance.now() + budget.benchMs;
    const limitMs = ({ op, call }: KernelCase) =>
      limitOf(flopsOf({ op, call }), bytesOf(call), firstPeak).limitMs;
    const own = new Pace(limitMs, 1);
    const peers = new Pace(limitMs, 0);
    const outcomes = new Map<KernelCase, Measured | SkippedCase>();
    for (const [i, kernelCase] of smallestOfAllFirst(cases, limitMs).entries()) {
      options.onCase?.(i, cases.length, `${kernelCase.op.name} ${kernelCase.shape}`);
      const measure = async (): Promise<Measured | SkippedCase> => {
        if (!testbed.hasKernel(kernelCase.op, kernelCase.call))
          return skip(kernelCase, "no-kernel", `no kernel on ${testbed.device}`);
        const predictedMs = own.predictMs(kernelCase);
        if (predictedMs > budget.runMs)
          return skip(kernelCase, "too-long", `would take some ${predictedMs.toFixed(0)} ms a run`);
        if (performance.now() > endMs) return skip(kernelCase, "too-long", "the quick bench's time was up");
        const measurement = await measureKernel(testbed, kernelCase, plan);
        own.note(kernelCase, measurement.medianMs);
        const asksPeer = peers.predictMs(kernelCase) <= Math.min(budget.runMs, MAX_PEER_MS);
        const tfjsMs = peer !== undefined && asksPeer ? await ask(peer, kernelCase) : null;
        if (tfjsMs !== null) peers.note(kernelCase, tfjsMs);
        return { kernelCase, measurement, tfjsMs };
      };
      outcomes.set(kernelCase, await orSkipped(measure(), kernelCase));
    }
    const inOrder = cases.map((kernelCase) => outcomes.get(kernelCase)!);
    const measured = inOrder.flatMap((outcome) => ("why" in outcome ? [] : [outcome]));
    const skipped = inOrder.flatMap((outcome) => ("why" in outcome ? [outcome] : []));
    const peak = bestOf(firstPeak, await testbed.measurePeak());
    const rows = measured.map((row) => rowOf(row, testbed.device, peak));
    return { ...describeProvenance(), machine: testbed.machine, peak, rows, skipped };
  } finally {
    peer?.close();
    testbed.close();
  }
}

/**
 * Small shapes tell how long an op takes for large ones, so they come first; and the smallest of all ops before the next
 * ones of any, so that none goes without where time is up.
 */
function smallestOfAllFirst(
  cases: readonly KernelCase[],
  limitMs: (kernelCase: KernelCase) => number,
): readonly KernelCase[] {
  const kinds = Object.values(Object.groupBy(cases, kindOf)).map((members) =>
    members!.toSorted((a, b) => limitMs(a) - limitMs(b)),
  );
  const most = Math.max(...kinds.map(({ length }) => length));
  return Array.from({ length: most }, (_, rank) =>
    kinds.flatMap((members) => members[rank] ?? []).sort((a, b) => limitMs(a) - limitMs(b)),
  ).flat();
}

/** What takes less says how long a call takes, and nothing of the op. */
const CALL_MS = 1;

/** How many times its limit an op takes, by the case that was noted last. */
class Pace {
  readonly #times = new Map<string, number>();
  readonly #limitMs: (kernelCase: KernelCase) => number;
  readonly #atFirst: number;

  constructor(limitMs: (kernelCase: KernelCase) => number, atFirst: number) {
    this.#limitMs = limitMs;
    this.#atFirst = atFirst;
  }

  note(kernelCase: KernelCase, ms: number): void {
    if (ms > CALL_MS) this.#times.set(kindOf(kernelCase), ms / this.#limitMs(kernelCase));
  }

  predictMs(kernelCase: KernelCase): number {
    return this.#limitMs(kernelCase) * (this.#times.get(kindOf(kernelCase)) ?? this.#atFirst);
  }
}

function kindOf({ op, direction }: KernelCase): string {
  return `${op.name} ${direction}`;
}

function skip(
  { op, shape, call, models }: KernelCase,
  why: SkippedCase["why"],
  message: string,
): SkippedCase {
  return { op: op.name, shape, params: call.params, models, why, message };
}

/** One kernel that cannot run must not cost the figures of all others. */
async function orSkipped(
  outcome: Promise<Measured | SkippedCase>,
  kernelCase: KernelCase,
): Promise<Measured | SkippedCase> {
  try {
    return await outcome;
  } catch (error) {
    // A peer that has ended answers no other case either.
    if (!(error instanceof SltrainError) || error.code === "bench-peer-failed") throw error;
    return skip(kernelCase, "failed", error.message);
  }
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

function rowOf(
  { kernelCase, measurement, tfjsMs }: Measured,
  device: Testbed["device"],
  peak: Peak,
): BenchRow {
  const { op, call, direction, shape, models } = kernelCase;
  const flops = flopsOf(kernelCase);
  const bytes = bytesOf(call);
  const limit = limitOf(flops, bytes, peak);
  const gflopsAt = (ms: number) => flops / ms / 1e6;
  const gflops = gflopsAt(measurement.medianMs);
  return {
    op: op.name,
    device,
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
async function startTfjs({ device, machine }: Testbed): Promise<PeerProcess> {
  const script = `tfjs-kernels.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`;
  const backend = tfjsBackendOf(device, machine.adapter?.name);
  const peer = new PeerProcess({
    name: "tfjs",
    command: [process.execPath, peerScript(script), ...backend],
    suggestion: tfjsSuggestion(device),
  });
  await peer.read<TfjsFacts>();
  return peer;
}

async function ask(peer: PeerProcess, { op, call }: KernelCase): Promise<number | null> {
  const question: PeerCase = { op: op.name, inputs: call.inputs, params: { ...call.params } };
  return (await peer.ask<PeerAnswer>(question)).medianMs;
}
