// What a channel gives each of several ranks that use it at once: latency of a small object, bandwidth of objects as
// large as a round's. Put and read by the very processes that the rounds run in.

import { median } from "../statistics.ts";
import type { RankGroup } from "./rank-group.ts";
import type { Interval } from "./rank.ts";

/** Of one rank. */
export interface ChannelProfile {
  readonly putLatencyMs: number;
  readonly getLatencyMs: number;
  /** 10^6 bytes a second. */
  readonly upMBs: number;
  readonly downMBs: number;
}

export interface ProfileOptions {
  readonly runId: string;
  /** Ranks that take part; the others idle. */
  readonly ranks: number;
  /** What each of them puts, and then reads of its neighbour, all at once. */
  readonly objects: number;
  readonly objectBytes: number;
}

const SMALL_BYTES = 64;
const LATENCY_REPEATS = 15;
const BANDWIDTH_REPEATS = 7;
const MIN_REPEATS = 3;
/** Slow channels get fewer repeats after this long. */
const BANDWIDTH_MS = 2_000;
/** Of a transfer's time: what noise may take for latency. */
const MOST_LATENCY_SHARE = 0.5;

export async function profileChannel(group: RankGroup, options: ProfileOptions): Promise<ChannelProfile> {
  const { objects, objectBytes } = options;
  const small: Transfer[] = [];
  for (let i = 0; i < LATENCY_REPEATS; i++) {
    small.push(await transfer(group, { ...options, objects: 1, objectBytes: SMALL_BYTES }, `small-${i}`));
  }
  const latencyMs = (direction: keyof Transfer): number =>
    median(small.flatMap((transfer) => transfer[direction].map(({ beganMs, endMs }) => endMs - beganMs)));

  const large: Transfer[] = [];
  const endMs = performance.now() + BANDWIDTH_MS;
  while (large.length < MIN_REPEATS || (large.length < BANDWIDTH_REPEATS && performance.now() < endMs)) {
    large.push(await transfer(group, { ...options, objects, objectBytes }, `large-${large.length}`));
  }
  const megabytes = (objects * objectBytes) / 1e6;
  const bandwidthMBs = (direction: keyof Transfer): number => {
    const tookMs = median(large.map((transfer) => spanMs(transfer[direction])));
    return megabytes / (Math.max(tookMs - latencyMs(direction), tookMs * MOST_LATENCY_SHARE) / 1e3);
  };
  return {
    putLatencyMs: latencyMs("up"),
    getLatencyMs: latencyMs("down"),
    upMBs: bandwidthMBs("up"),
    downMBs: bandwidthMBs("down"),
  };
}

interface Transfer {
  readonly up: readonly Interval[];
  readonly down: readonly Interval[];
}

async function transfer(
  group: RankGroup,
  { runId, ranks, objects, objectBytes }: ProfileOptions,
  name: string,
): Promise<Transfer> {
  const callOf = (rank: number, owner: number) => ({
    startMs,
    prefix: `runs/${runId}/profile/${name}-`,
    owner,
    objects: rank < ranks ? objects : 0,
    objectBytes,
  });
  let startMs = group.startMs();
  const up = await group.all("putAll", (rank) => callOf(rank, rank));
  startMs = group.startMs();
  const down = await group.all("getAll", (rank) => callOf(rank, (rank + 1) % ranks));
  await group.all("deleteAll", (rank) => callOf(rank, rank));
  return { up: up.slice(0, ranks), down: down.slice(0, ranks) };
}

/** From the first rank's start to the last one's end. */
function spanMs(intervals: readonly Interval[]): number {
  return (
    Math.max(...intervals.map(({ endMs }) => endMs)) - Math.min(...intervals.map(({ beganMs }) => beganMs))
  );
}
