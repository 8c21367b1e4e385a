// The collective of a training run: gradients, with statistics behind them, in one lane, and the scalars of epochs in
// another, by any reduce pattern and any codec. Behind a codec that loses something, statistics have a lane of their own
// and travel as they are: a variance is no gradient, and must not become negative. (LambdaML, SIGMOD 2021, section 3.2,
// writes the same reduce once for each store, lists prefixes and deletes on read; this one does neither: see the contract
// in collective.ts.)

import { bucketRanges } from "../shard/buckets.ts";
import type { Codec } from "../shard/codec/codec.ts";
import { f32 } from "../shard/codec/f32.ts";
import type { ElementRange, Layout } from "../shard/layout.ts";
import type { ZstdMode } from "../shard/zstd-trial.ts";
import type { Channel } from "../storage/storage.ts";
import type { Collective, Round } from "./collective.ts";
import { type ExchangeMember, openExchange, replayedScalars, scalarsAlone } from "./exchange.ts";
import { askKey, frameKey } from "./keys.ts";
import type { LaneOptions } from "./lane.ts";
import { pricesOf } from "./medium.ts";
import { meanObjects } from "./objects.ts";
import { patternAt, type ReducePattern } from "./pattern.ts";
import { NO_SCALARS } from "./rank-ordered-sum.ts";

export interface CollectiveOptions extends ExchangeMember {
  /** Of the gradients. */
  readonly layout: Layout;
  /** Of a vector that follows them and is averaged as it is. */
  readonly statistics?: Layout;
  /** A bucket ends with the tensor that takes it to this size. Where objects are packed, a round has one bucket. */
  readonly bucketBytes: number;
  /** Parameter servers have their own. */
  readonly reduce: ReducePattern;
  readonly codec: Codec;
  readonly zstd: ZstdMode;
  /** Whether a rank's frames of a level travel in one object; by default where requests have a price. */
  readonly packed?: boolean;
}

const SCALARS_LANE = 1;
const SCALARS_ONLY: ElementRange = { begin: 0, end: 0 };

type Grid = Pick<CollectiveOptions, "layout" | "statistics" | "bucketBytes" | "reduce" | "codec" | "packed">;

interface Lanes {
  readonly gradients: LaneOptions;
  readonly scalars: LaneOptions;
  /** Absent where they ride with the gradients. */
  readonly statistics?: LaneOptions;
}

/** The lanes of a run; their order is their number in frames and keys. */
export function collectiveLanes(options: Grid, prices: Channel["capabilities"]["prices"]): Lanes {
  const { layout, statistics, codec, packed = prices !== undefined } = options;
  const reduce = patternAt(prices, options.reduce);
  const bucketBytes = packed ? Infinity : options.bucketBytes;
  const apart = statistics !== undefined && statistics.length > 0 && !codec.exact;
  const riding = statistics === undefined || apart ? {} : { statistics };
  const ranges = bucketRanges(layout, { bucketBytes, ...riding });
  const own = { begin: 0, end: statistics?.length ?? 0 };
  return {
    gradients: { buckets: packed ? [whole(ranges)] : ranges, reduce, codec, packed, carried: layout.length },
    scalars: { buckets: [SCALARS_ONLY], reduce, codec: f32, packed: false, apart: true },
    ...(apart && { statistics: { buckets: [own], reduce, codec: f32, packed } }),
  };
}

/**
 * Keys of what is left on the channel when all ranks have swept for the last time, after so many epochs: the means of the
 * last epoch's scalars, and of the round in which all tell that they have made it durable.
 */
export function lastEpochFrames(
  { runId, worldSize, reduce }: Pick<CollectiveOptions, "runId" | "worldSize" | "reduce">,
  epochs: number,
): string[] {
  const plan = reduce.plan(SCALARS_ONLY, worldSize, 0);
  return Array.from({ length: worldSize }, (_, rank) =>
    meanObjects(plan, rank)
      .flatMap((place) =>
        [epochs - 1, epochs].map((step) =>
          frameKey(runId, { lane: SCALARS_LANE, step, bucket: 0, rank, ...place }),
        ),
      )
      .concat(askKey(runId, rank)),
  ).flat();
}

function whole(ranges: readonly ElementRange[]): ElementRange {
  return { begin: 0, end: ranges.reduce((length, { end }) => Math.max(length, end), 0) };
}

/** Throws SltrainError "rank-invalid", or "reduce-invalid" if the pattern does not fit the number of ranks. */
export async function openCollective(options: CollectiveOptions): Promise<Collective> {
  const { scalars, gradients, statistics } = collectiveLanes(options, pricesOf(options.channel));
  const lanes = { gradients, scalars, ...(statistics === undefined ? {} : { statistics }) };
  const exchange = await openExchange<keyof Lanes>({ ...options, lanes: lanes as Required<Lanes> });
  const { length } = options.layout;
  const ofRound =
    statistics === undefined ? (["gradients"] as const) : (["gradients", "statistics"] as const);
  const behind = (statistics?.buckets ?? []).map(({ end }) => ({ begin: length, end: length + end }));
  return {
    buckets: [...gradients.buckets, ...behind],
    ownPieces: exchange.ownPieces("gradients"),
    get stats() {
      return exchange.stats;
    },
    get state() {
      return exchange.state;
    },
    restore: (state) => exchange.restore(state),
    inherit(rounds) {
      for (const { kind, step } of rounds) exchange.inherit(kind === "sums" ? ofRound : ["scalars"], step);
    },
    begin(options) {
      const round = exchange.begin("gradients", options);
      if (statistics === undefined) return round;
      return joined(round, gradients.buckets.length, exchange.begin("statistics", options), length);
    },
    async replay(options, mean) {
      const rounds = await exchange.replay(ofRound, options);
      if (rounds === undefined) return undefined;
      const [first, second] = rounds as readonly [Round, Round?];
      const round = second === undefined ? first : joined(first, gradients.buckets.length, second, length);
      return round.finish(NO_SCALARS, mean);
    },
    replayScalars: (options) => replayedScalars(exchange, "scalars", options),
    reduceScalars: (round, scalars) => scalarsAlone(exchange.begin("scalars", round), scalars),
    sweep: (currentStep, durableStep) => exchange.sweep(currentStep, durableStep),
    close: () => exchange.close(),
  };
}

/** One round of two lanes: after the first one's `buckets` and `length` elements comes the second one's only bucket. */
function joined(first: Round, buckets: number, second: Round, length: number): Round {
  return {
    push(bucket, sums, words) {
      if (bucket < buckets) first.push(bucket, sums, words);
      else second.push(bucket - buckets, sums);
    },
    async finish(scalars, mean) {
      const [result] = await Promise.all([
        first.finish(scalars, mean.subarray(0, length)),
        second.finish(new Float64Array(0), mean.subarray(length)),
      ]);
      return result;
    },
  };
}
