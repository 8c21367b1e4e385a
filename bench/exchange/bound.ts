// The least time of a round that a channel allows, by its reduce's plan, if nothing takes time but putting and reading, at
// the latency and bandwidth that the channel gave the ranks when they did nothing else.

import type { ReducePlan } from "../../src/allreduce/pattern.ts";
import type { ElementRange } from "../../src/shard/layout.ts";
import type { RankProfile } from "./rank-profile.ts";

export interface SharedChannel {
  /** What one rank gets that is alone, with several requests at once; 10^6 bytes a second. */
  readonly alone: { readonly parallelUpMBs: number; readonly parallelDownMBs: number };
  /** What each gets while all put or read at once. */
  readonly together: RankProfile;
}

/** Each rank puts, then reads what others have put; elements, by rank. */
interface Hop {
  readonly put: readonly number[];
  readonly read: readonly (readonly Reading[])[];
}

interface Reading {
  readonly from: number;
  readonly elements: number;
}

/**
 * What no schedule of the plans can be faster than: the latencies of the longest way from a gradient to a mean, and the
 * time for the bytes. No rank puts or reads faster than one alone, all together not faster than they did, and putting
 * and reading at once hinder each other as they did.
 */
export function roundBoundMs(
  plans: readonly ReducePlan[],
  channel: SharedChannel,
  bytesPerElement: number,
): number {
  const { alone, together } = channel;
  const hops = hopsOf(plans);
  const transferMs = (
    elementsOf: (hop: Hop) => readonly number[],
    aloneMBs: number,
    togetherMBs: number,
  ): number => {
    const ofRanks = (hops[0]?.put ?? []).map((_, rank) => sumOf(hops, (hop) => elementsOf(hop)[rank]!));
    const all = sumOf(ofRanks, (elements) => elements);
    const elementsPerMBs = Math.max(
      Math.max(0, ...ofRanks) / Math.max(aloneMBs, togetherMBs),
      all / (togetherMBs * Math.max(1, ofRanks.length)),
    );
    return (elementsPerMBs * bytesPerElement) / 1e3;
  };
  const upMs = transferMs(({ put }) => put, alone.parallelUpMBs, together.upMBs);
  const downMs = transferMs(({ read }) => read.map(elementsOf), alone.parallelDownMBs, together.downMBs);
  return criticalPathMs(plans, channel, 0) + Math.max(upMs, downMs, together.overlap * (upMs + downMs));
}

/**
 * Milliseconds in which the last rank has the mean if ranks put all they have to before they read, and read when all of it
 * is there. What a rank puts or reads in one hop takes it latency + bytes / bandwidth; of the bandwidth that all have
 * together, those that are active in a hop get equal parts, but none more than a rank that is alone.
 */
export function criticalPathMs(
  plans: readonly ReducePlan[],
  channel: SharedChannel,
  bytesPerElement: number,
): number {
  let readyMs = Array.from({ length: plans[0]!.worldSize }, () => 0);
  for (const { put, read } of hopsOf(plans)) {
    const writtenMs = afterTransfer(readyMs, put, bytesPerElement, uplink(channel, put));
    const begunMs = read.map((readings, rank) =>
      readings.reduce((latest, { from }) => Math.max(latest, writtenMs[from]!), writtenMs[rank]!),
    );
    const elements = read.map(elementsOf);
    readyMs = afterTransfer(begunMs, elements, bytesPerElement, downlink(channel, elements));
  }
  return Math.max(...readyMs);
}

/** f32 values that all ranks put in one round, as the plans have it. */
export function elementsPut(plans: readonly ReducePlan[]): number {
  return sumOf(hopsOf(plans), ({ put }) => sumOf(put, (elements) => elements));
}

/** One for each level of merging, one in which the owners' means are read, and one for means that are passed on. */
function hopsOf(plans: readonly ReducePlan[]): Hop[] {
  const { worldSize, levels } = plans[0]!;
  const ranks = Array.from({ length: worldSize }, (_, rank) => rank);
  const merging = Array.from({ length: levels }, (_, level) => ({
    put: ranks.map((rank) => sumOf(plans, (plan) => sumOf(plan.published(level, rank), lengthOf))),
    read: ranks.map((rank) =>
      plans.flatMap((plan) => {
        const merge = plan.merge(level + 1, rank);
        const peers = merge?.writers.filter((writer) => writer.rank !== rank) ?? [];
        return peers.map((writer) => ({ from: writer.rank, elements: lengthOf(merge!) }));
      }),
    ),
  }));
  const means = (relayed: boolean) =>
    ranks.map((rank) =>
      plans.flatMap((plan) =>
        plan.means.flatMap((mean, i) => {
          const source = mean.owner === rank ? undefined : plan.source(i, rank);
          return source?.relayed === relayed ? [{ from: source.rank, elements: lengthOf(mean) }] : [];
        }),
      ),
    );
  const owned = (rank: number): number =>
    sumOf(plans, (plan) =>
      sumOf(
        plan.means.filter(({ owner }) => owner === rank),
        lengthOf,
      ),
    );
  const passedOn = (rank: number): number =>
    sumOf(plans, (plan) => sumOf(plan.relayed(rank), (i) => lengthOf(plan.means[i]!)));
  return worldSize === 1
    ? []
    : [
        ...merging,
        { put: ranks.map(owned), read: means(false) },
        { put: ranks.map(passedOn), read: means(true) },
      ];
}

interface Link {
  readonly latencyMs: number;
  readonly bytesPerMs: number;
}

function afterTransfer(
  beganMs: readonly number[],
  elements: readonly number[],
  bytesPerElement: number,
  { latencyMs, bytesPerMs }: Link,
): number[] {
  return beganMs.map((ms, rank) =>
    elements[rank] === 0 ? ms : ms + latencyMs + (elements[rank]! * bytesPerElement) / bytesPerMs,
  );
}

function uplink({ alone, together }: SharedChannel, elements: readonly number[]): Link {
  return {
    latencyMs: together.putLatencyMs,
    bytesPerMs: 1e3 * shareOf(alone.parallelUpMBs, together.upMBs, elements),
  };
}

function downlink({ alone, together }: SharedChannel, elements: readonly number[]): Link {
  return {
    latencyMs: together.getLatencyMs,
    bytesPerMs: 1e3 * shareOf(alone.parallelDownMBs, together.downMBs, elements),
  };
}

/** Never less than with all ranks active, whatever noise made of the measurement with one. */
function shareOf(aloneMBs: number, togetherMBs: number, elements: readonly number[]): number {
  const active = elements.filter((count) => count > 0).length;
  return Math.max(togetherMBs, Math.min(aloneMBs, (togetherMBs * elements.length) / active));
}

function elementsOf(readings: readonly Reading[]): number {
  return sumOf(readings, ({ elements }) => elements);
}

function lengthOf({ begin, end }: ElementRange): number {
  return end - begin;
}

function sumOf<T>(items: readonly T[], valueOf: (item: T) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0);
}
