// What a channel gives each of several ranks that use it at once: latency of a small object, bandwidth of objects as
// large as a round's. Put and read by the very processes that the rounds run in. (What it gives one alone,
// storage/check/measure-channel.ts tells.)

import { median } from "../statistics.ts";
import type { RankGroup } from "./rank-group.ts";
import type { Interval, ObjectSet } from "./rank.ts";

/** Of each rank while all use the channel. */
export interface RankProfile {
  readonly putLatencyMs: number;
  readonly getLatencyMs: number;
  /** 10^6 bytes a second. */
  readonly upMBs: number;
  readonly downMBs: number;
  /** Time to put and read at once, over that of one after the other: 1/2 where they do not hinder each other, else up to 1. */
  readonly overlap: number;
}

export interface ProfileOptions {
  readonly runId: string;
  /** What each rank puts, and reads of its neighbour, all at once. */
  readonly objects: number;
  readonly objectBytes: number;
}

const SMALL_BYTES = 4;
const LATENCY_REPEATS = 15;
const BANDWIDTH_REPEATS = 7;
const MIN_REPEATS = 3;
/** Slow channels get fewer repeats after this long. */
const BANDWIDTH_MS = 1_500;
/** Of a transfer's time: what noise may take for latency. */
const MOST_LATENCY_SHARE = 0.5;

export async function profileRanks(group: RankGroup, options: ProfileOptions): Promise<RankProfile> {
  const { objects, objectBytes } = options;
  const small: Transfers[] = [];
  for (let i = 0; i < LATENCY_REPEATS; i++) {
    small.push(await transfer(group, { ...options, objects: 1, objectBytes: SMALL_BYTES }, `small-${i}`));
  }
  const latencyMs = (way: keyof Transfers): number =>
    median(small.flatMap((transfers) => transfers[way].map(({ beganMs, endMs }) => endMs - beganMs)));

  const large: Transfers[] = [];
  const endMs = performance.now() + BANDWIDTH_MS;
  while (large.length < MIN_REPEATS || (large.length < BANDWIDTH_REPEATS && performance.now() < endMs)) {
    large.push(await transfer(group, options, `large-${large.length}`));
  }
  const tookMs = (way: keyof Transfers): number => median(large.map((transfers) => spanMs(transfers[way])));
  const megabytes = (objects * objectBytes) / 1e6;
  const bandwidthMBs = (way: keyof Transfers): number =>
    (1e3 * megabytes) / Math.max(tookMs(way) - latencyMs(way), tookMs(way) * MOST_LATENCY_SHARE);
  return {
    ...{ putLatencyMs: latencyMs("up"), getLatencyMs: latencyMs("down") },
    ...{ upMBs: bandwidthMBs("up"), downMBs: bandwidthMBs("down") },
    overlap: Math.min(1, Math.max(0.5, tookMs("both") / (tookMs("up") + tookMs("down")))),
  };
}

type Transfers = Readonly<Record<"up" | "down" | "both", readonly Interval[]>>;

async function transfer(
  group: RankGroup,
  { runId, objects, objectBytes }: ProfileOptions,
  name: string,
): Promise<Transfers> {
  const setOf = (owner: number, suffix: string): ObjectSet => ({
    prefix: `runs/${runId}/profile/${name}${suffix}-`,
    ...{ owner, objects, objectBytes },
  });
  const together = (callOf: (rank: number) => { put?: ObjectSet; get?: ObjectSet }) => {
    const startMs = group.startMs();
    return group.all("transfer", (rank) => ({ startMs, ...callOf(rank) }));
  };
  const neighbour = (rank: number): number => (rank + 1) % group.worldSize;
  const up = await together((rank) => ({ put: setOf(rank, "") }));
  const down = await together((rank) => ({ get: setOf(neighbour(rank), "") }));
  const both = await together((rank) => ({ put: setOf(rank, "-both"), get: setOf(neighbour(rank), "") }));
  await group.all("deleteAll", (rank) => [setOf(rank, ""), setOf(rank, "-both")]);
  return { up, down, both };
}

/** From the first rank's start to the last one's end. */
function spanMs(intervals: readonly Interval[]): number {
  return (
    Math.max(...intervals.map(({ endMs }) => endMs)) - Math.min(...intervals.map(({ beganMs }) => beganMs))
  );
}
