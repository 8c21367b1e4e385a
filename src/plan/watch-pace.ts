// How often a run looks after itself while it goes on: heartbeats, looks for a stop request, the coordinator's polls.
// Where requests are free, as often as is useful; where they have a price, so often that all of it costs at most a
// hundredth of what the functions cost in the same time, a quarter of that for each kind, and two cents an hour: whoever
// watches a small run, or waits for the replacement of a dead one, does not wait for a minute. A pure function.

import type { RequestPrices } from "../storage/prices.ts";
import { AWS_PRICES } from "./lambda-cost.ts";

export interface WatchPace {
  /** Between the heartbeats of rank 0, which show the run's progress: all functions pay for them. */
  readonly leaderBeatMs: number;
  /** Between those of every other rank, which only show that it lives. */
  readonly beatMs: number;
  /** Between two looks of a worker for a stop request and for another worker in its place; rank 0 looks with its beats. */
  readonly lookMs: number;
  /** Between two looks of the coordinator at all workers. */
  readonly pollMs: number;
}

const WITHOUT_PRICE: WatchPace = { leaderBeatMs: 300, beatMs: 3000, lookMs: 300, pollMs: 100 };
/** What somebody waits for. */
const SLOWEST_MS = 5_000;
/** Rank 0 shows that the run goes on so often in the life of a function: who lives for seconds is missed in seconds. */
const BEATS_OF_LIFE = 8;
/** What every worker does beside rank 0. */
const SLOWEST_OF_MANY_MS = 60_000;
const SHARE_OF_KIND = 0.01 / 4;

interface Crew {
  readonly workers: number;
  readonly memoryMiB: number;
  /** How long a function lives. */
  readonly timeoutS: number;
}

/** Of `prices` undefined: where requests are free. */
export function watchPace(
  prices: RequestPrices | undefined,
  { workers, memoryMiB, timeoutS }: Crew,
): WatchPace {
  if (prices === undefined) return WITHOUT_PRICE;
  const functionUsdPerMs = ((memoryMiB / 1024) * AWS_PRICES.lambda.gibSecondUsd.x86_64) / 1000;
  const pace = (costUsd: number, functions: number, fastestMs: number, slowestMs = SLOWEST_MS): number =>
    Math.min(slowestMs, Math.max(fastestMs, costUsd / (SHARE_OF_KIND * functions * functionUsdPerMs)));
  return {
    leaderBeatMs: pace(
      prices.putUsd,
      workers,
      WITHOUT_PRICE.leaderBeatMs,
      Math.min(SLOWEST_MS, (timeoutS * 1000) / BEATS_OF_LIFE),
    ),
    beatMs: pace(prices.putUsd, 1, WITHOUT_PRICE.beatMs, SLOWEST_OF_MANY_MS),
    lookMs: pace(lookUsd(prices), 1, WITHOUT_PRICE.lookMs, SLOWEST_OF_MANY_MS),
    pollMs: pace(pollUsd(prices, workers), workers, WITHOUT_PRICE.pollMs),
  };
}

/** Whether one listing costs less than asking for `keys` objects. */
export function listsCheaper(prices: RequestPrices | undefined, keys: number): boolean {
  return prices !== undefined && prices.listUsd < keys * prices.getUsd;
}

/** One look of a worker: for a stop request, the next generation's lease, the next attempt. */
export function lookUsd(prices: RequestPrices): number {
  return 3 * prices.getUsd;
}

/**
 * One look of the coordinator: rank 0's heartbeat and result, the metrics, and of all workers whether one has failed or
 * been replaced.
 */
export function pollUsd(prices: RequestPrices, workers: number): number {
  return 3 * prices.getUsd + 2 * Math.min(prices.listUsd, workers * prices.getUsd);
}
