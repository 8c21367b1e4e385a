// One vector of a run that is reduced round after round: its buckets, how they are reduced, and what the rounds of one
// rank share. A run has several lanes (gradients, scalars of epochs), told apart by their number in frames and keys.

import { bitsOf } from "../shard/codec/blocks.ts";
import type { Codec } from "../shard/codec/codec.ts";
import { smallerForm } from "../shard/codec/f32-sparse.ts";
import { encodeWithFeedback } from "../shard/error-feedback.ts";
import { type FrameAddress, MAX_ABSENT } from "../shard/frame.ts";
import type { ElementRange } from "../shard/layout.ts";
import { maxFrameBytes } from "../shard/payload.ts";
import { type ZstdMode, ZstdTrial } from "../shard/zstd-trial.ts";
import { ArrivalPredictor } from "./arrival-predictor.ts";
import { restoreState, sharedFloats } from "./collective-state.ts";
import type { CollectiveState, OwnPiece } from "./collective.ts";
import type { ExchangeClock } from "./exchange-clock.ts";
import type { Frames, OnLate, Packed } from "./frame-coder.ts";
import { LaneMemory } from "./lane-memory.ts";
import { levelCodecs } from "./level-codecs.ts";
import type { ReducePattern, ReducePlan } from "./pattern.ts";
import type { Coded } from "./rank-ordered-sum.ts";
import { Residuals } from "./residuals.ts";
import { roundingSeed } from "./rounding-seed.ts";
import { slotBytesFor } from "./slots.ts";
import { StragglerWatch } from "./straggler-watch.ts";

/** Scalars that a frame can carry. */
export const MAX_SCALARS = 64;

export interface LaneOptions {
  readonly buckets: readonly ElementRange[];
  readonly reduce: ReducePattern;
  readonly codec: Codec;
  /** What a rank publishes of a bucket travels in one object. Sensible with one bucket. */
  readonly packed: boolean;
  /** Sums of elements below this one that were late for their round are added to those of the next. Default 0. */
  readonly carried?: number;
  /** Its steps are no training steps: they are counted by themselves, between training steps. */
  readonly apart?: boolean;
}

/** Who takes part, and through what. */
export interface LaneGroup {
  readonly number: number;
  readonly rank: number;
  readonly worldSize: number;
  readonly generation: number;
  readonly seed: number;
  /** See `ExchangeMember`. */
  readonly repeatable: boolean;
  /** Share of the parts of a sum that is enough when the others are late. */
  readonly quorum: number;
  /** Nobody is late before. */
  readonly leaseMs: number;
  readonly onLate: OnLate | undefined;
  /** To be called after each round, in the order of the rounds. */
  finished(isComplete: boolean): void;
  readonly frames: Frames;
  readonly clock: ExchangeClock;
  /** Whether payloads are compressed: never, where it makes them smaller, or where that saves time or money. */
  readonly zstd: ZstdMode;
  /** What the exchange has cost so far, in dollars: requests, and the function's time. */
  costUsd(): number;
}

export class Lane {
  readonly group: LaneGroup;
  readonly options: LaneOptions;
  /** Decides by what rounds cost whether they compress what they send. */
  readonly zstd: ZstdTrial;
  readonly plans: readonly ReducePlan[];
  /** By bucket and level. */
  readonly codecs: readonly (readonly Codec[])[];
  readonly memory = new LaneMemory();
  /** When objects of each level come, from the beginning of a round. */
  readonly arrivals = new ArrivalPredictor();
  /** Whose parts come late although they come. */
  readonly stragglers: StragglerWatch;
  /** Elements that the buckets cover. */
  readonly length: number;
  /** Bytes of the largest frame of each level in the last round; 0: not known yet. Equal on all ranks; empty if not packed. */
  readonly peaks: Int32Array;
  readonly #residuals: Residuals | undefined;
  /** What was late for its round, of all elements that are carried; empty without a quorum. */
  readonly #leftOut: Float32Array;
  #replaying: boolean;

  /** Throws SltrainError "reduce-invalid". */
  constructor(group: LaneGroup, options: LaneOptions) {
    const { buckets, reduce, codec, packed } = options;
    this.group = group;
    this.options = options;
    this.zstd = new ZstdTrial(group.zstd);
    this.plans = buckets.map((bucket, i) => reduce.plan(bucket, group.worldSize, i));
    this.codecs = this.plans.map((plan) => levelCodecs(codec, plan));
    this.stragglers = new StragglerWatch(group.rank);
    this.length = buckets.reduce((length, { end }) => Math.max(length, end), 0);
    const levels = packed ? Math.max(...this.plans.map((plan) => plan.levels)) : 0;
    this.peaks = new Int32Array(new SharedArrayBuffer(levels * Int32Array.BYTES_PER_ELEMENT));
    this.#residuals = codec.biased ? new Residuals(this.plans, this.codecs, buckets, group.rank) : undefined;
    this.#leftOut = sharedFloats(group.quorum < 1 ? (options.carried ?? 0) : 0);
    this.#replaying = group.generation > 0 && group.worldSize > 1 && !this.keepsParts;
  }

  /**
   * Parts stay as long as means: a rank that starts anew merges what it had merged again, for the residual of a merged
   * sum comes from nothing else.
   */
  get keepsParts(): boolean {
    return this.options.codec.biased;
  }

  /** An earlier start of this rank may have come further than this one: the means of its rounds are looked for. */
  get replaying(): boolean {
    return this.#replaying;
  }

  /**
   * Ends a round: what its mean frames told of it, whether they were those of an earlier start, and whether all ranks are
   * in all of them.
   */
  finished({
    peaks,
    adopted,
    isComplete,
  }: {
    readonly peaks: Uint32Array;
    readonly adopted: boolean;
    readonly isComplete: boolean;
  }): void {
    this.peaks.set(peaks);
    this.group.finished(isComplete);
    const slow = this.stragglers.ended();
    if (slow.length > 0) this.group.onLate?.(slow, "slow");
    // Nothing of this step, so nothing of the next.
    if (!adopted) this.#replaying = false;
  }

  /** What `Collective.state` says; names begin with `prefix`. */
  state(prefix: string): CollectiveState {
    const residuals = (this.#residuals?.levels ?? []).map((values, level) => [
      `${prefix}residual-${level}`,
      values,
    ]);
    const peaks = this.peaks.length === 0 ? [] : [[`${prefix}peaks`, this.peaks]];
    const leftOut = this.#leftOut.length === 0 ? [] : [[`${prefix}left-out`, this.#leftOut]];
    return Object.fromEntries([...residuals, ...peaks, ...leftOut]) as CollectiveState;
  }

  restore(state: CollectiveState, prefix: string): void {
    restoreState(this.state(prefix), state);
  }

  /** Parts of `writers` that are enough for a sum when the others are late. */
  quorumOf(writers: number): number {
    const waitsForAll = this.options.apart === true || this.group.worldSize === 1;
    return waitsForAll ? writers : Math.max(Math.ceil(this.group.quorum * writers), writers - MAX_ABSENT);
  }

  /** Keeps this rank's sums from element `begin`, as they were sent, for the next round. */
  leftOut(bucket: number, begin: number, { codec, encoded }: Coded): void {
    const owned = this.plans[bucket]!.means.find((mean) => mean.begin === begin)!;
    const values = new Float32Array(owned.end - begin);
    codec.decode(encoded, values);
    const kept = this.#leftOut.subarray(begin, owned.end);
    for (let i = 0; i < kept.length; i++) kept[i]! += values[i]!;
  }

  /** This rank's own sums with what of the last rounds was left out. */
  #withLeftOut(values: Float32Array, { bucket, level, piece }: FrameAddress, begin: number): Float32Array {
    const kept = this.#leftOut.subarray(begin, begin + values.length);
    if (level > 0 || kept.every((value) => value === 0)) return values;
    const sums = this.memory.carried(bucket, piece, values.length);
    sums.set(values);
    for (let i = 0; i < kept.length; i++) sums[i]! += kept[i]!;
    kept.fill(0);
    return sums;
  }

  /** See `Collective.ownPieces`. */
  get ownPieces(): readonly OwnPiece[] {
    const { rank, number, quorum, seed } = this.group;
    const { codec } = this.options;
    if (codec.words === undefined || quorum < 1) return [];
    const pieces = this.plans.flatMap((plan, bucket) =>
      plan.published(0, rank).map(({ begin, end }, piece) => ({
        ...{ begin, end, codec: codec.name, seed },
        address: { lane: number, level: 0, bucket, piece, rank },
        ...(this.#residuals && { residual: this.#residuals.of(0, bucket, begin, end - begin) }),
      })),
    );
    return pieces.filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin);
  }

  /**
   * Encodes what this rank publishes at `address`, of which `begin` is the first element, and keeps what is lost. `words`:
   * somebody else has done both.
   */
  encode(
    address: FrameAddress,
    own: Float32Array,
    begin: number,
    words?: Float32Array,
  ): Packed | Promise<Packed> {
    const { compresses } = this.zstd;
    const { bucket, level, piece } = address;
    const plain = this.codecs[bucket]![level]!;
    if (words !== undefined) {
      const codec = compresses ? (plain.shuffled ?? plain) : plain;
      const room = this.memory.room(codec, bucket, level, piece, own.length);
      const encoded = codec.words!.toEncoded(bitsOf(words), own.length, room);
      return this.group.frames.pack({ codec, encoded }, compresses);
    }
    const values = this.#withLeftOut(own, address, begin);
    // What zstd cannot use needs no other order.
    const codec = smallerForm(compresses ? (plain.shuffled ?? plain) : plain, values, compresses);
    const room = this.memory.room(codec, bucket, level, piece, own.length);
    const seed = roundingSeed(this.group.seed, address);
    const encoded =
      codec.biased && this.#residuals !== undefined
        ? encodeWithFeedback(
            codec,
            values,
            this.#residuals.of(level, bucket, begin, values.length),
            room,
            seed,
          )
        : codec.encode(values, room, seed);
    return this.group.frames.pack({ codec, encoded }, compresses);
  }

  /** The most bytes that a frame of `elements` values of a level can have. */
  frameBytes(bucket: number, level: number, elements: number): number {
    const { worldSize } = this.group;
    const words = this.peaks.length + worldSize - this.quorumOf(worldSize);
    return maxFrameBytes(this.codecs[bucket]![level]!, elements, MAX_SCALARS, words);
  }

  /** Bytes of the slots of packed objects. */
  slotBytes(bucket: number, level: number): number {
    return slotBytesFor(
      this.peaks[level]!,
      this.frameBytes(bucket, level, this.plans[bucket]!.longest(level)),
    );
  }
}
