// Times one contender's rounds in a scene, checks every mean, and counts what was asked of the channel.

import type { ReducePlan } from "../../src/allreduce/pattern.ts";
import { SltrainError } from "../../src/errors.ts";
import { type MeterReading, usd } from "../../src/storage/layers/meter.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { TRIAL_ROUNDS } from "../../src/shard/zstd-trial.ts";
import type { RequestPrices } from "../../src/storage/prices.ts";
import { summariseTimes, type Timing } from "../statistics.ts";
import { elementsPut, roundBoundMs } from "./bound.ts";
import type { RankProfile } from "./rank-profile.ts";
import {
  type ContenderSpec,
  plansOf,
  predictRequests,
  type PredictedRequests,
  TEXTBOOK,
} from "./contender.ts";
import type { RankGroup } from "./rank-group.ts";
import type { RoundAnswer } from "./rank.ts";
import type { Scene } from "./scene.ts";

export interface Requests {
  readonly put: number;
  /** Also those that found nothing. */
  readonly get: number;
  readonly list: number;
  readonly delete: number;
}

/** Requests, bytes and dollars are of all ranks together, in one round. */
export interface MeasuredRow extends Timing {
  readonly reduce: string;
  readonly codec: string;
  readonly workers: number;
  readonly bytes: number;
  readonly rounds: number;
  /** The least time that the channel allows (bound.ts), by what it gave as many ranks at once. */
  readonly boundMs: number | null;
  /** null where nothing is exchanged, or nothing was measured. */
  readonly boundRatio: number | null;
  /** What the channel gave each rank while all used it. */
  readonly rankProfile: RankProfile | null;
  readonly requests: Requests;
  /** Gets that found nothing: polls that came too early. */
  readonly misses: number;
  readonly predictedRequests: PredictedRequests | null;
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

/** As many as fit, so that V8 has compiled what small rounds call and buffers of large ones are there. */
const WARM_UP = { leastRounds: 2, mostRounds: 30, mostMs: 1_500 };
/** The rounds in which "auto" tries both belong to no result, unless they are very slow. */
const WARM_UP_WITH_TRIAL = { leastRounds: 2, mostRounds: TRIAL_ROUNDS + 1, mostMs: 15_000 };
const LEAST_ROUNDS = 5;
/** Slow rows get fewer rounds than they were asked for after this long. */
const ROW_MS = 15_000;
/** Sums that are rounded to f32 on their way stay below it. */
const ROUNDED_ERROR = 1e-5;

export interface MeasureOptions {
  readonly runId: string;
  readonly rounds: number;
  readonly prices: RequestPrices | undefined;
}

/** Throws SltrainError "bench-wrong" if ranks end a round with different means, or an exact codec with a wrong one. */
export async function measureRounds(
  group: RankGroup,
  scene: Scene,
  spec: ContenderSpec,
  { runId, rounds, prices }: MeasureOptions,
): Promise<MeasuredRow> {
  const { worldSize } = group;
  const plans = plansOf(spec, worldSize);
  const contest = { ...spec, mostError: mostErrorOf(spec, plans) };
  await group.all("open", () => ({ runId, spec }));
  const warmUp = await runRounds(
    group,
    contest,
    0,
    spec.zstd === "auto" && spec.reduce !== TEXTBOOK ? WARM_UP_WITH_TRIAL : WARM_UP,
  );
  const before = total(await group.all("reading", () => undefined));
  const timed = await runRounds(group, contest, warmUp.length, {
    ...{ leastRounds: Math.min(rounds, LEAST_ROUNDS), mostRounds: rounds, mostMs: ROW_MS },
  });
  const after = total(await group.all("reading", () => undefined));
  await group.all("close", () => undefined);
  await group.one("forget", runId);

  const asked = difference(after, before);
  const perRound = (kind: keyof MeterReading): number => asked[kind] / timed.length;
  const [bytesUp, bytesDown] = [perRound("bytesUp"), perRound("bytesDown")];
  const timing = summariseTimes(timed.map(({ tookMs }) => tookMs));
  const bytesPerElement = worldSize === 1 ? 0 : bytesUp / elementsPut(plans);
  const { channel } = scene;
  const boundMs = channel === undefined ? null : roundBoundMs(plans, channel, bytesPerElement);
  const answers = timed.flatMap((round) => round.answers);
  return {
    reduce: spec.reduce,
    codec: spec.codec,
    workers: worldSize,
    bytes: spec.elements * Float32Array.BYTES_PER_ELEMENT,
    rounds: timed.length,
    ...timing,
    boundMs,
    boundRatio: boundMs === null || boundMs === 0 ? null : timing.medianMs / boundMs,
    rankProfile: channel?.together ?? null,
    requests: {
      put: perRound("puts"),
      get: perRound("gets") + perRound("misses"),
      list: perRound("lists"),
      delete: perRound("deletes"),
    },
    misses: perRound("misses"),
    predictedRequests: predictRequests(spec, worldSize) ?? null,
    ...{ bytesUp, bytesDown },
    costUsd: prices === undefined ? null : usd(asked, prices) / timed.length,
    cpuMs:
      group.ranksAre === "tasks" ? null : answers.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / timed.length,
    exact: answers.every(({ exact }) => exact),
    relativeError: Math.max(...answers.map(({ relativeError }) => relativeError)),
  };
}

interface TimedRound {
  readonly tookMs: number;
  readonly answers: readonly RoundAnswer[];
}

interface Contest extends ContenderSpec {
  /** Beyond it, a mean is wrong. */
  readonly mostError: number;
}

function mostErrorOf({ reduce, codec }: ContenderSpec, plans: readonly ReducePlan[]): number {
  if (!parseCodec(codec).exact) return Infinity;
  const oneSum = reduce !== TEXTBOOK && plans[0]!.levels === 1;
  return oneSum ? 0 : ROUNDED_ERROR;
}

async function runRounds(
  group: RankGroup,
  contest: Contest,
  firstStep: number,
  { leastRounds, mostRounds, mostMs }: typeof WARM_UP,
): Promise<TimedRound[]> {
  const rounds: TimedRound[] = [];
  const endMs = performance.now() + mostMs;
  while (rounds.length < leastRounds || (rounds.length < mostRounds && performance.now() < endMs)) {
    rounds.push(await runRound(group, contest, firstStep + rounds.length));
  }
  return rounds;
}

/** From the common start to the end of the slowest rank. */
async function runRound(group: RankGroup, contest: Contest, step: number): Promise<TimedRound> {
  const startMs = group.startMs();
  const answers = await group.all("round", () => ({ step, startMs }));
  checkAnswers(contest, step, answers);
  await group.all("sweep", () => step);
  return { tookMs: Math.max(...answers.map(({ endMs }) => endMs)) - startMs, answers };
}

function checkAnswers(
  { reduce, codec, mostError }: Contest,
  step: number,
  answers: readonly RoundAnswer[],
): void {
  const equal = answers.every(({ digest }) => digest === answers[0]!.digest);
  const worst = Math.max(...answers.map(({ relativeError }) => relativeError));
  if (equal && worst <= mostError) return;
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
  return readings.reduce((sums, reading) => combine(sums, reading, (sum, count) => sum + count));
}

function difference(after: MeterReading, before: MeterReading): MeterReading {
  return combine(after, before, (later, earlier) => later - earlier);
}

function combine(a: MeterReading, b: MeterReading, of: (a: number, b: number) => number): MeterReading {
  const result = { ...a };
  for (const kind of Object.keys(a) as (keyof MeterReading)[]) result[kind] = of(a[kind], b[kind]);
  return result;
}
