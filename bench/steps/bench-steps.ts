// `sltrain bench steps`: whole training steps per model on one device, in turns with tf.js and PyTorch: each round runs
// all of them one after the other, so that a machine that drifts is slow for all.

import { cpus } from "node:os";
import { SltrainError } from "../../src/errors.ts";
import { peakGflops, type Peak } from "../kernels/roofline.ts";
import { median, summariseTimes } from "../statistics.ts";
import { describeProvenance, type Machine, type Provenance } from "../machine.ts";
import { findExample, modelExamples, type ModelExample } from "../shapes/model-examples.ts";
import type { Testbed } from "../testbeds/testbed.ts";
import type { Contender } from "./contender.ts";
import { GRADIENT_TOLERANCE, gradientError } from "./check-gradients.ts";
import { prepareOwnSteps, stepsAtOnceOn } from "./own-steps.ts";
import { startTfjs, startTorch, type StepPeer, type TorchFacts } from "./peer-steps.ts";

const ROUNDS = 7;
const ROUND_MS = 150;
/** Large models get fewer rounds than ROUNDS after this long, but never fewer than MIN_ROUNDS. */
const MODEL_MS = 8_000;
const MIN_ROUNDS = 3;
const WARM_UP_MS = 150;
const WARM_UP_STEPS = 3;

export interface StepsOptions {
  /** All built-in models but huge ones if empty. */
  readonly models: readonly string[];
  /** The example's own if undefined. */
  readonly batchSize?: number | undefined;
  /** Of sltrain and of PyTorch; tf.js has none. */
  readonly threads: number;
  readonly tfjs: boolean;
  readonly torch: boolean;
  /** What to measure on; with as many threads where they are its matter. */
  readonly open: () => Promise<Testbed>;
  /** Told what could not be measured, and what to do about it. */
  readonly onHint?: (hint: string) => void;
  readonly onRow?: (row: StepsRow) => void;
}

export interface StepsRow {
  readonly model: string;
  readonly device: Testbed["device"];
  readonly batchSize: number;
  readonly threads: number;
  readonly parameters: number;
  /** Norm of the difference to wasm's gradients over their norm, before the first step; null on wasm. */
  readonly gradientError: number | null;
  /** Whether that is below 1e-4. */
  readonly correct: boolean;
  /** At the median. */
  readonly samplesPerS: number;
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** (third quartile - first quartile) / median of the step times. */
  readonly spread: number;
  readonly arenaBytes: number;
  readonly gflops: number;
  /** Of the FMA peak; on a processor of the faster of two, times the threads, or the cores if those are fewer. */
  readonly peakFraction: number;
  readonly tfjsSamplesPerS: number | null;
  readonly torchSamplesPerS: number | null;
  /** How many times as fast as the peer: the median over the rounds. */
  readonly vsTfjs: number | null;
  readonly vsTorch: number | null;
  /** The same of the fastest steps of all rounds. */
  readonly vsTorchBest: number | null;
}

export interface StepsReport extends Provenance {
  readonly machine: Machine;
  readonly peak: Peak;
  /** What PyTorch ran on; null where it did not run. */
  readonly torch: TorchFacts | null;
  readonly rows: readonly StepsRow[];
  readonly lacking: readonly LackingModel[];
}

/** A model that the device has not all kernels for. */
export interface LackingModel {
  readonly model: string;
  readonly message: string;
}

/**
 * Throws "bench-nothing" for a model that is not built in, "bench-wrong" if contenders train different models or don't
 * train at all. A peer that does not start is a hint and null.
 */
export async function benchSteps(options: StepsOptions): Promise<StepsReport> {
  const examples = selectExamples(options.models);
  const testbed = await options.open();
  const peak = await testbed.measurePeak();
  const orHint = <T>(peer: Promise<T>): Promise<T | undefined> =>
    peer.catch((error: unknown) => {
      if (!(error instanceof SltrainError)) throw error;
      options.onHint?.([`${error.message}.`, ...error.suggestions].join(" "));
      return undefined;
    });
  const tfjs = options.tfjs ? await orHint(startTfjs(testbed)) : undefined;
  const torch = options.torch ? await orHint(startTorch(testbed.device, options.threads)) : undefined;
  const peers = [tfjs, torch].filter((peer) => peer !== undefined);
  try {
    const rows: StepsRow[] = [];
    const lacking: LackingModel[] = [];
    for (const example of examples) {
      const settings = { batchSize: options.batchSize ?? example.batchSize, threads: options.threads };
      const row = await orLack(measureModel(testbed, example, settings, peak, peers));
      if (row instanceof SltrainError) {
        lacking.push({ model: example.model.name, message: row.message });
        continue;
      }
      rows.push(row);
      options.onRow?.(row);
    }
    return {
      ...describeProvenance(),
      machine: testbed.machine,
      peak,
      torch: torch?.facts ?? null,
      rows,
      lacking,
    };
  } finally {
    for (const peer of peers) peer.close();
    testbed.close();
  }
}

/** A model that cannot be compiled must not cost the figures of the others. */
async function orLack(row: Promise<StepsRow>): Promise<StepsRow | SltrainError> {
  try {
    return await row;
  } catch (error) {
    if (error instanceof SltrainError && error.code === "kernel-missing") return error;
    throw error;
  }
}

function selectExamples(names: readonly string[]): readonly ModelExample[] {
  for (const name of names) findExample(name);
  return modelExamples().filter(({ model, size }) =>
    names.length === 0 ? size !== "huge" : names.includes(model.name),
  );
}

function measureModel(
  testbed: Testbed,
  { model, topology }: ModelExample,
  { batchSize, threads }: { readonly batchSize: number; readonly threads: number },
  peak: Peak,
  peers: readonly StepPeer<unknown>[],
): Promise<StepsRow> {
  return testbed.use(async (device) => {
    const own = await prepareOwnSteps(device, topology, batchSize);
    const error = device.name === "wasm" ? null : await gradientError(own, topology, batchSize);
    const contenders: Contender[] = [own];
    for (const peer of peers) {
      const contender = await peer.prepare(topology, batchSize, stepsAtOnceOn(device));
      if (contender) contenders.push(contender);
    }
    const rounds = await alternate(model.name, contenders);
    const ours = summariseTimes(rounds.flatMap((round) => round.sltrain));
    const gflops = own.flops / ours.medianMs / 1e6;
    const tfjs = compare(rounds, "tfjs", batchSize);
    const torch = compare(rounds, "torch", batchSize);
    return {
      model: model.name,
      device: testbed.device,
      batchSize,
      threads,
      parameters: own.parameters,
      gradientError: error,
      correct: error === null || error < GRADIENT_TOLERANCE,
      samplesPerS: (batchSize / ours.medianMs) * 1e3,
      ...ours,
      arenaBytes: own.arenaBytes,
      gflops,
      peakFraction: gflops / (peakGflops(peak) * (testbed.device === "wasm" ? coresOf(threads) : 1)),
      tfjsSamplesPerS: tfjs?.samplesPerS ?? null,
      torchSamplesPerS: torch?.samplesPerS ?? null,
      vsTfjs: tfjs?.ratio ?? null,
      vsTorch: torch?.ratio ?? null,
      vsTorchBest: torch?.bestRatio ?? null,
    };
  });
}

function coresOf(threads: number): number {
  return Math.min(threads, cpus().length);
}

/** Step times in ms of everyone who takes part. */
type Round = { readonly sltrain: readonly number[] } & Readonly<
  Partial<Record<Contender["name"], readonly number[]>>
>;

async function alternate(model: string, contenders: readonly Contender[]): Promise<readonly Round[]> {
  const firstLosses: number[] = [];
  for (const contender of contenders) {
    const { losses } = await contender.run(WARM_UP_MS, WARM_UP_STEPS);
    firstLosses.push(losses[0]);
  }
  const lastLosses: number[] = [];
  const rounds: Round[] = [];
  const endMs = performance.now() + MODEL_MS;
  while (rounds.length < MIN_ROUNDS || (rounds.length < ROUNDS && performance.now() < endMs)) {
    const round: Partial<Record<Contender["name"], readonly number[]>> = {};
    for (const [i, contender] of contenders.entries()) {
      const { timesMs, losses } = await contender.run(ROUND_MS, 1);
      round[contender.name] = timesMs;
      lastLosses[i] = losses[1];
    }
    rounds.push(round as Round);
  }
  contenders.forEach(({ name, parameters }, i) => {
    // One batch, step after step: its loss falls unless something is wrong.
    if (lastLosses[i]! < firstLosses[i]! && parameters === contenders[0]!.parameters) return;
    throw new SltrainError({
      code: "bench-wrong",
      message:
        `${model}: expected ${name} to lower the loss of ${contenders[0]!.parameters} parameters, ` +
        `got ${firstLosses[i]} -> ${lastLosses[i]} with ${parameters} parameters`,
    });
  });
  return rounds;
}

function compare(rounds: readonly Round[], peer: "tfjs" | "torch", batchSize: number) {
  const pairs = rounds.flatMap(({ sltrain, [peer]: theirs }) => (theirs ? [{ sltrain, theirs }] : []));
  if (pairs.length === 0) return undefined;
  const all = summariseTimes(pairs.flatMap(({ theirs }) => theirs));
  const best = summariseTimes(pairs.flatMap(({ sltrain }) => sltrain));
  const ratios = pairs.map(
    ({ sltrain, theirs }) => summariseTimes(theirs).medianMs / summariseTimes(sltrain).medianMs,
  );
  return {
    samplesPerS: (batchSize / all.medianMs) * 1e3,
    ratio: median(ratios),
    bestRatio: all.minMs / best.minMs,
  };
}
