// `sltrain bench exchange`: rounds of a reduce between real processes over a real channel, beside the least time that
// the channel allows and LambdaML's textbook reduce, all in one run. Every mean is checked before its time counts.

import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { SltrainError } from "../../src/errors.ts";
import type { MeterReading } from "../../src/storage/layers/meter.ts";
import { openChannel } from "../../src/storage/open.ts";
import {
  type PricedStore,
  REQUEST_PRICES,
  type RequestPrices,
  requestsUsd,
} from "../../src/storage/prices.ts";
import { describeProvenance, type Provenance } from "../machine.ts";
import { summariseTimes, type Timing } from "../statistics.ts";
import { roundBoundMs } from "./bound.ts";
import { type ChannelProfile, profileChannel } from "./channel-profile.ts";
import { type ContenderSpec, predictRequests, type PredictedRequests, TEXTBOOK } from "./contender.ts";
import { type GradientFiles, writeMean } from "./gradients.ts";
import type { Matrix } from "./matrix.ts";
import { type RankGroup, startProcesses, startTasks } from "./rank-group.ts";
import type { RoundAnswer } from "./rank.ts";

export interface ExchangeOptions {
  readonly matrix: Matrix;
  /** URI of a channel; a folder that is removed afterwards if undefined. */
  readonly channel: string | undefined;
  readonly rounds: number;
  readonly bucketBytes: number;
  /** Whose prices a store without prices is given. */
  readonly prices: PricedStore | undefined;
  /** Ranks as tasks of this process. */
  readonly tasks: boolean;
  readonly onProgress?: (done: number, total: number, name: string) => void;
}

export interface Requests {
  readonly put: number;
  /** Also those that found nothing. */
  readonly get: number;
  readonly list: number;
  readonly delete: number;
}

/** Requests, bytes and dollars are of all ranks together, in one round. */
export interface ExchangeRow extends Timing {
  readonly reduce: string;
  readonly codec: string;
  readonly workers: number;
  readonly bytes: number;
  readonly rounds: number;
  /** The least time that the channel allows (bound.ts), by what it gave as many ranks at once. */
  readonly boundMs: number;
  readonly boundRatio: number;
  /** How many times as fast as the textbook with the same workers and bytes; null where it did not run. */
  readonly vsTextbook: number | null;
  /** What the channel gave each rank while all used it. */
  readonly rankProfile: ChannelProfile;
  readonly requests: Requests;
  /** Gets that found nothing: polls that came too early. */
  readonly misses: number;
  readonly predictedRequests: PredictedRequests;
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** null where requests have no price. */
  readonly costUsd: number | null;
  /** Processor time of all ranks in one round; null for tasks, which share a process. */
  readonly cpuMs: number | null;
  /** Every mean of every round had the very bits of a sum in f64. */
  readonly exact: boolean;
  /** The worst of all rounds: norm of the error over the norm of the mean. */
  readonly relativeError: number;
}

type MeasuredRow = Omit<ExchangeRow, "vsTextbook">;

export interface ExchangeReport extends Provenance {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  /** As one rank alone finds it. */
  readonly channel: ChannelProfile & { readonly uri: string };
  readonly pricedAs: string | null;
  readonly ranksAre: "processes" | "tasks";
  readonly rows: readonly ExchangeRow[];
}

const WARM_UP_ROUNDS = 5;
/** Slow rows get fewer rounds after this long, but never fewer than MIN_ROUNDS. */
const ROW_MS = 15_000;
const MIN_ROUNDS = 5;
/** f32 sums in any order stay below it. */
const TEXTBOOK_ERROR = 1e-5;

/** Throws SltrainError "bench-wrong" if ranks end a round with different means, or an exact codec with a wrong one. */
export async function benchExchange(options: ExchangeOptions): Promise<ExchangeReport> {
  const folder = await mkdtemp(join(tmpdir(), "sltrain-exchange-"));
  try {
    const uri = options.channel ?? `fs:${join(folder, "channel")}`;
    const opened = await openChannel(uri);
    const prices = options.prices === undefined ? opened.capabilities.prices : REQUEST_PRICES[options.prices];
    await opened.close();
    const { workers, bytes, contenders } = options.matrix;
    const total = workers.length * bytes.length * contenders.length;
    let alone: ChannelProfile | undefined;
    const rows: MeasuredRow[] = [];
    for (const worldSize of workers) {
      for (const size of bytes) {
        const group = options.tasks ? startTasks(worldSize) : startProcesses(worldSize);
        try {
          const scene = await setScene(group, { uri, folder, bytes: size });
          alone ??= scene.alone;
          for (const contender of contenders) {
            options.onProgress?.(rows.length, total, nameOf(contender, worldSize, size));
            const spec = { ...contender, elements: scene.elements, bucketBytes: options.bucketBytes };
            rows.push(await measure(group, scene, spec, options, prices));
          }
          await group.all("leave", () => undefined);
        } finally {
          group.close();
        }
      }
    }
    return {
      ...describeProvenance(),
      machine: { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.versions.node },
      channel: { uri: opened.uri, ...alone! },
      pricedAs: options.prices ?? (prices === undefined ? null : "the store's own prices"),
      ranksAre: options.tasks ? "tasks" : "processes",
      rows: withTextbookRatios(rows),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function nameOf(
  { reduce, codec }: { reduce: string; codec: string },
  workers: number,
  bytes: number,
): string {
  return `${reduce} ${codec}, ${workers} workers, ${bytes / 1e6} MB`;
}

/** A group of ranks with their gradients, and what the channel gives them. */
interface Scene {
  readonly runId: string;
  readonly elements: number;
  readonly alone: ChannelProfile;
  readonly together: ChannelProfile;
}

async function setScene(
  group: RankGroup,
  { uri, folder, bytes }: { readonly uri: string; readonly folder: string; readonly bytes: number },
): Promise<Scene> {
  const { worldSize } = group;
  const elements = bytes / Float32Array.BYTES_PER_ELEMENT;
  const files: GradientFiles = { folder, elements };
  const runId = `bench-${process.pid}-${worldSize}-${bytes}`;
  await group.all("sit", (rank) => ({ channel: uri, rank, worldSize, files }));
  await writeMean(files, worldSize);
  await group.all("prepare", () => undefined);
  const objects = { objects: Math.max(1, worldSize - 1), objectBytes: Math.ceil(bytes / worldSize) };
  const alone = await profileChannel(group, { runId, ranks: 1, ...objects });
  return {
    runId,
    elements,
    alone,
    together: await profileChannel(group, { runId, ranks: worldSize, ...objects }),
  };
}

async function measure(
  group: RankGroup,
  scene: Scene,
  spec: ContenderSpec,
  { rounds, tasks }: ExchangeOptions,
  prices: RequestPrices | undefined,
): Promise<MeasuredRow> {
  const { worldSize } = group;
  const runId = `${scene.runId}-${spec.reduce.replaceAll(/[^a-z0-9-]/g, "-")}-${spec.codec.replaceAll(/[^a-z0-9-]/g, "-")}`;
  await group.all("open", () => ({ runId, spec }));
  let step = 0;
  for (; step < WARM_UP_ROUNDS; step++) await runRound(group, spec, step);
  const before = total(await group.all("reading", () => undefined));
  const timed: TimedRound[] = [];
  const endMs = performance.now() + ROW_MS;
  while (
    timed.length < Math.min(rounds, MIN_ROUNDS) ||
    (timed.length < rounds && performance.now() < endMs)
  ) {
    timed.push(await runRound(group, spec, step++));
  }
  const after = total(await group.all("reading", () => undefined));
  await group.all("close", () => undefined);

  const perRound = (kind: keyof MeterReading): number => (after[kind] - before[kind]) / timed.length;
  const [bytesUp, bytesDown] = [perRound("bytesUp"), perRound("bytesDown")];
  const requests: Requests = {
    put: perRound("puts"),
    get: perRound("gets") + perRound("misses"),
    list: perRound("lists"),
    delete: perRound("deletes"),
  };
  const timing = summariseTimes(timed.map(({ tookMs }) => tookMs));
  const boundMs = roundBoundMs(scene.together, {
    bytesUp: bytesUp / worldSize,
    bytesDown: bytesDown / worldSize,
  });
  const answers = timed.flatMap((round) => round.answers);
  return {
    reduce: spec.reduce,
    codec: spec.codec,
    workers: worldSize,
    bytes: spec.elements * Float32Array.BYTES_PER_ELEMENT,
    rounds: timed.length,
    ...timing,
    boundMs,
    boundRatio: timing.medianMs / boundMs,
    rankProfile: scene.together,
    requests,
    misses: perRound("misses"),
    predictedRequests: predictRequests(spec, worldSize),
    ...{ bytesUp, bytesDown },
    costUsd: prices === undefined ? null : costUsd(prices, requests, bytesUp, bytesDown),
    cpuMs: tasks ? null : answers.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / timed.length,
    exact: answers.every(({ exact }) => exact),
    relativeError: Math.max(...answers.map(({ relativeError }) => relativeError)),
  };
}

interface TimedRound {
  readonly tookMs: number;
  readonly answers: readonly RoundAnswer[];
}

/** From the common start to the end of the slowest rank. */
async function runRound(group: RankGroup, spec: ContenderSpec, step: number): Promise<TimedRound> {
  const startMs = group.startMs();
  const answers = await group.all("round", () => ({ step, startMs }));
  checkAnswers(spec, step, answers);
  await group.all("sweep", () => step);
  return { tookMs: Math.max(...answers.map(({ endMs }) => endMs)) - startMs, answers };
}

function checkAnswers({ reduce, codec }: ContenderSpec, step: number, answers: readonly RoundAnswer[]): void {
  const equal = answers.every(({ digest }) => digest === answers[0]!.digest);
  const worst = Math.max(...answers.map(({ relativeError }) => relativeError));
  const wrong = reduce === TEXTBOOK ? !(worst < TEXTBOOK_ERROR) : codec === "f32" && worst !== 0;
  if (equal && !wrong) return;
  throw new SltrainError({
    code: "bench-wrong",
    message: `${reduce} ${codec}, round ${step}: expected ${
      equal
        ? `the mean of all gradients, got one with a relative error of ${worst}`
        : "equal means on all ranks"
    }`,
  });
}

function total(readings: readonly MeterReading[]): MeterReading {
  const sums = { ...readings[0]! };
  for (const reading of readings.slice(1)) {
    for (const kind of Object.keys(sums) as (keyof MeterReading)[]) sums[kind] += reading[kind];
  }
  return sums;
}

function costUsd(prices: RequestPrices, requests: Requests, bytesUp: number, bytesDown: number): number {
  const { put, get, list, delete: deletes } = requests;
  return requestsUsd(prices, { puts: put, gets: get, lists: list, deletes, bytesUp, bytesDown });
}

function withTextbookRatios(rows: readonly MeasuredRow[]): ExchangeRow[] {
  return rows.map((row) => {
    const textbook = rows.find(
      ({ reduce, workers, bytes }) => reduce === TEXTBOOK && workers === row.workers && bytes === row.bytes,
    );
    return { ...row, vsTextbook: textbook === undefined ? null : textbook.medianMs / row.medianMs };
  });
}
