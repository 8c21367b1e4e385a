// What one round of a pattern asks of a store, and what that costs. A test holds the meter to it.

import type { Codec } from "../shard/codec/codec.ts";
import { f32 } from "../shard/codec/f32.ts";
import type { ElementRange } from "../shard/layout.ts";
import { maxFrameBytes } from "../shard/payload.ts";
import { type RequestPrices, requestsUsd } from "../storage/prices.ts";
import { MAX_SCALARS } from "./lane.ts";
import { levelCodecs } from "./level-codecs.ts";
import { meanObjects, partObjects } from "./objects.ts";
import type { ReducePattern, ReducePlan } from "./pattern.ts";
import { slotBytesFor } from "./slots.ts";

export interface TrafficJob {
  readonly worldSize: number;
  readonly buckets: readonly ElementRange[];
  readonly reduce: ReducePattern;
  /** Default f32. */
  readonly codec?: Codec;
  readonly packed: boolean;
  /** Of each rank. Default 0. */
  readonly scalarCount?: number;
  /** Without them, requests cost nothing. */
  readonly prices?: RequestPrices;
}

/** Of all ranks together, in one round; of packed objects not the first, whose slots have room for the longest frames. */
export interface Traffic {
  readonly puts: number;
  /** Without polls that come too early: how many there are depends on timing. */
  readonly gets: number;
  /** At most: without compression, and exact for codecs whose length is fixed. */
  readonly bytesUp: number;
  /** Of `bytesUp`, those of the means. */
  readonly meanBytesUp: number;
  readonly bytesDown: number;
  readonly usd: number;
}

/** Throws SltrainError "reduce-invalid" if the pattern does not fit the number of ranks. */
export function traffic(job: TrafficJob): Traffic {
  const { worldSize, buckets, reduce, prices } = job;
  const total = { puts: 0, gets: 0, bytesUp: 0, meanBytesUp: 0, bytesDown: 0 };
  for (const [i, bucket] of buckets.entries()) {
    const plan = reduce.plan(bucket, worldSize, i);
    for (let rank = 0; rank < worldSize; rank++) addRank(total, job, plan, rank);
  }
  return { ...total, usd: prices === undefined ? 0 : requestsUsd(prices, total) };
}

function addRank(
  total: { puts: number; gets: number; bytesUp: number; meanBytesUp: number; bytesDown: number },
  { packed, codec = f32, scalarCount = 0 }: TrafficJob,
  plan: ReducePlan,
  rank: number,
): void {
  const { levels, means, worldSize } = plan;
  const codecs = levelCodecs(codec, plan);
  const frameBytes = (level: number, { begin, end }: ElementRange): number =>
    maxFrameBytes(codecs[level]!, end - begin, scalarCount, packed ? levels : 0);
  const slotBytes = (level: number): number => {
    const mostBytes = (scalars: number) =>
      maxFrameBytes(codecs[level]!, plan.longest(level), scalars, levels);
    return slotBytesFor(mostBytes(scalarCount), mostBytes(MAX_SCALARS));
  };
  const relayBytes = (relay: number): number =>
    plan.relayed(relay).reduce((bytes, piece) => bytes + frameBytes(levels, means[piece]!), 0);

  total.puts += partObjects(plan, rank, packed).length + meanObjects(plan, rank).length;
  for (let level = 0; level < levels; level++) {
    const pieces = plan.published(level, rank);
    const bytes = pieces.map((piece) => (packed ? slotBytes(level) : frameBytes(level, piece)));
    total.bytesUp += bytes.reduce((sum, each) => sum + each, 0);
    const merge = plan.merge(level + 1, rank);
    if (merge === undefined) continue;
    const reads = merge.writers.filter(({ piece }) => piece !== -1).length;
    total.gets += reads;
    total.bytesDown += reads * (packed ? slotBytes(level) : frameBytes(level, merge));
  }
  if (worldSize === 1) return;
  const relays = new Set<number>();
  for (const [piece, mean] of means.entries()) {
    if (mean.owner === rank) {
      total.bytesUp += frameBytes(levels, mean);
      total.meanBytesUp += frameBytes(levels, mean);
      continue;
    }
    const source = plan.source(piece, rank);
    if (source.relayed) {
      relays.add(source.rank);
    } else {
      total.gets++;
      total.bytesDown += frameBytes(levels, mean);
    }
  }
  total.bytesUp += relayBytes(rank);
  total.meanBytesUp += relayBytes(rank);
  for (const relay of relays) {
    total.gets++;
    total.bytesDown += relayBytes(relay);
  }
}
