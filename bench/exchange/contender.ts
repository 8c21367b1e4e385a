// A reduce that takes part in a bench, opened for one rank: sltrain's own, or the textbook's. One list names them all.

import type { CollectiveStats } from "../../src/allreduce/collective.ts";
import type { Medium } from "../../src/allreduce/medium.ts";
import type { ReducePattern, ReducePlan } from "../../src/allreduce/pattern.ts";
import { parseReduce, reduceNames } from "../../src/allreduce/patterns/index.ts";
import { scatterReduce } from "../../src/allreduce/patterns/scatter-reduce.ts";
import { served } from "../../src/allreduce/patterns/served.ts";
import {
  collectiveLanes,
  type CollectiveOptions,
  openCollective,
} from "../../src/allreduce/open-collective.ts";
import type { LaneOptions } from "../../src/allreduce/lane.ts";
import { traffic } from "../../src/allreduce/traffic.ts";
import { assert } from "../../src/errors.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import type { Layout } from "../../src/shard/layout.ts";
import type { RequestPrices } from "../../src/storage/prices.ts";
import { WEIGHT } from "./gradients.ts";
import { openTextbook, textbookTraffic } from "./textbook.ts";

export interface Contender {
  /** Adds up all ranks' `sums` of `step`; their mean is in `mean` when it settles. */
  round(step: number, sums: Float32Array, mean: Float32Array): Promise<void>;
  /** Deletes what this rank wrote in `step`; all ranks have finished it. */
  sweep(step: number): Promise<void>;
  /** All that was sent and asked since it was opened; undefined where the channel's own meter tells. */
  asked?(): Pick<CollectiveStats, "requests" | "bytesUp" | "bytesDown">;
  close(): Promise<void>;
}

/** What all ranks of a contender agree on; plain data, for it travels to their processes. */
export interface ContenderSpec {
  readonly reduce: string;
  readonly codec: string;
  readonly elements: number;
  readonly bucketBytes: number;
  readonly zstd: CollectiveOptions["zstd"];
  /** The channel's: they decide whether frames are packed, and how many owners there are. */
  readonly prices: RequestPrices | undefined;
}

export interface ContenderOptions extends ContenderSpec {
  readonly channel: Medium;
  readonly runId: string;
  readonly rank: number;
  readonly worldSize: number;
}

/** Requests of all ranks together in one round, polls that come too early not among them. */
export interface PredictedRequests {
  readonly put: number;
  readonly get: number;
}

export const TEXTBOOK = "textbook";
/** What parameter servers do, whatever is asked for: `ps:2` is two of them. */
const SERVED = /^ps:(\d+)$/;
const ROUND_TIMEOUT_MS = 60_000;
/** A model's layers, as buckets end only between tensors. */
const LAYER_ELEMENTS = 20_480;

export const contenderNames: readonly string[] = [...reduceNames, TEXTBOOK];

/** Throws SltrainError "reduce-invalid" if there is no such reduce for so many ranks. */
export function checkReduce(reduce: string, worldSize: number): void {
  plansOf({ reduce, codec: "f32", elements: 0, bucketBytes: 1, zstd: "off", prices: undefined }, worldSize);
}

/** What the rounds' bound is computed from: a plan for each bucket. */
export function plansOf(spec: ContenderSpec, worldSize: number): ReducePlan[] {
  if (spec.reduce === TEXTBOOK) return [scatterReduce().plan({ begin: 0, end: spec.elements }, worldSize, 0)];
  const { buckets, reduce } = laneOf(spec);
  return buckets.map((bucket, i) => reduce.plan(bucket, worldSize, i));
}

/** undefined for parameter servers, whose pieces are requests of another kind. */
export function predictRequests(spec: ContenderSpec, worldSize: number): PredictedRequests | undefined {
  if (SERVED.test(spec.reduce)) return undefined;
  if (spec.reduce === TEXTBOOK) return textbookTraffic(worldSize);
  const { puts, gets } = traffic({ worldSize, ...laneOf(spec) });
  return { put: puts, get: gets };
}

export async function openContender(options: ContenderOptions): Promise<Contender> {
  const { channel, runId, rank, worldSize } = options;
  if (options.reduce === TEXTBOOK) {
    assert(!("servers" in channel), "parameter servers have no objects");
    return openTextbook({ ...options, channel });
  }
  const collective = await openCollective({
    ...{ channel, runId, rank, worldSize, generation: 0, seed: 0 },
    ...collectiveSpec(options),
  });
  return {
    async round(step, sums, mean) {
      const round = collective.begin({ step, weight: WEIGHT, timeoutMs: ROUND_TIMEOUT_MS });
      collective.buckets.forEach(({ begin, end }, i) => round.push(i, sums.subarray(begin, end)));
      await round.finish(Float64Array.of(1, 2, 3), mean);
    },
    ...("servers" in channel && { asked: () => collective.stats }),
    sweep: (step) => collective.sweep(step + 2, step),
    close: () => collective.close(),
  };
}

function collectiveSpec({ elements, bucketBytes, zstd, reduce, codec }: ContenderSpec) {
  return {
    layout: layoutOf(elements),
    bucketBytes,
    zstd,
    reduce: reduceOf(reduce),
    codec: parseCodec(codec),
  };
}

function reduceOf(spec: string): ReducePattern {
  const [, servers] = SERVED.exec(spec) ?? [];
  return servers === undefined ? parseReduce(spec) : served(Number(servers));
}

function laneOf(spec: ContenderSpec): LaneOptions {
  return collectiveLanes(collectiveSpec(spec), spec.prices).gradients;
}

function layoutOf(elements: number): Layout {
  const entries = Array.from({ length: Math.ceil(elements / LAYER_ELEMENTS) }, (_, i) => {
    const offset = i * LAYER_ELEMENTS;
    const length = Math.min(LAYER_ELEMENTS, elements - offset);
    return { name: `layer${i}`, shape: [length], offset, length };
  });
  return { entries, length: elements };
}
