// One round of ScatterReduce on one rank. Each chunk has an owner: the others send it their sums, it adds all in rank
// order, divides by the total weight and writes the mean, which everybody reads back, the owner included.

import { assert, SltrainError } from "../errors.ts";
import type { Codec } from "../shard/codec/codec.ts";
import type { FrameStage } from "../shard/frame.ts";
import type { Bucket, Chunk } from "../shard/layout.ts";
import type { WaitOptions } from "../storage/storage.ts";
import type { Round, RoundOptions, RoundResult } from "./collective.ts";
import type { ExchangeClock } from "./exchange-clock.ts";
import type { Contribution, ExpectedFrame, FrameChannel, Received } from "./frame-channel.ts";
import type { FrameAddress } from "./keys.ts";
import { NO_SCALARS, RankOrderedSum } from "./rank-ordered-sum.ts";
import { MAX_SCALARS, type RoundMemory } from "./round-memory.ts";

/** An owner may be waiting for the sum of a third rank. Whoever waits for that sum as well shall name the rank first. */
const MEAN_PATIENCE = 1.25;

/** What all rounds of one kind share. */
export interface RoundGroup {
  readonly rank: number;
  readonly worldSize: number;
  readonly generation: number;
  readonly buckets: readonly Bucket[];
  readonly sum: FrameStage;
  readonly mean: FrameStage;
  readonly codec: Codec;
  readonly frames: FrameChannel;
  readonly clock: ExchangeClock;
  readonly memory: RoundMemory;
}

export class ScatterReduceRound implements Round {
  readonly #group: RoundGroup;
  readonly #options: RoundOptions;
  /** By bucket. */
  readonly #tasks = new Map<number, Promise<void>>();
  /** Given by `finish`: they ride with the first chunk of the last bucket, which backward completes last. */
  readonly #scalars = Promise.withResolvers<Float64Array>();
  readonly #controller = new AbortController();
  readonly #wait: WaitOptions;
  #result: RoundResult | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(group: RoundGroup, options: RoundOptions) {
    this.#group = group;
    this.#options = options;
    const own = this.#controller.signal;
    this.#wait = {
      timeoutMs: options.timeoutMs,
      signal: options.signal === undefined ? own : AbortSignal.any([options.signal, own]),
    };
  }

  push(bucket: number, sums: Float32Array): void {
    const { buckets, clock } = this.#group;
    const range = buckets[bucket];
    assert(range !== undefined, `push of bucket ${bucket} of ${buckets.length}`);
    assert(!this.#tasks.has(bucket), `push of bucket ${bucket} twice in step ${this.#options.step}`);
    assert(
      sums.length === range.end - range.begin,
      `bucket ${bucket} has ${range.end - range.begin} values, not ${sums.length}`,
    );
    clock.blocking(() => {
      this.#tasks.set(
        bucket,
        this.#reduce(bucket, sums).catch((error: unknown) => this.#fail(error)),
      );
    });
  }

  async finish(scalars: Float64Array, mean: Float32Array): Promise<RoundResult> {
    const { clock, memory } = this.#group;
    assert(
      this.#tasks.size === this.#group.buckets.length,
      `finish of step ${this.#options.step} before all pushes`,
    );
    assert(
      mean.length === memory.vector.length,
      `mean has ${memory.vector.length} values, not ${mean.length}`,
    );
    assert(scalars.length <= MAX_SCALARS, `at most ${MAX_SCALARS} scalars, not ${scalars.length}`);
    return clock.finishing(async () => {
      this.#scalars.resolve(scalars.slice());
      await Promise.all(this.#tasks.values());
      if (this.#failure !== undefined) throw this.#failure.error;
      const result = this.#result;
      assert(result !== undefined, "a round ends with its result");
      if (result.weight === 0 && mean.length > 0) throw noWeight(this.#options.step);
      mean.set(memory.vector);
      return result;
    });
  }

  /** The first failure is the round's; it ends the waiting of the other buckets. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#controller.abort(error);
  }

  /** Encodes or copies all of `sums` before it first waits. */
  async #reduce(bucket: number, sums: Float32Array): Promise<void> {
    const { rank, buckets } = this.#group;
    const { begin, chunks } = buckets[bucket]!;
    await Promise.all(
      // Each rank begins with the chunk after its own: not all write to the same owner first.
      chunks.map((_, i) => {
        const chunk = (i + rank + 1) % chunks.length;
        const { owner, ...range } = chunks[chunk]!;
        const values = sums.subarray(range.begin - begin, range.end - begin);
        return owner === rank ? this.#reduceOwn(bucket, chunk, values) : this.#sendSum(bucket, chunk, values);
      }),
    );
    // Only now: means come after this rank's sums, in the same slots as its peers' sums.
    await this.#receiveMeans(bucket);
  }

  #address(stage: FrameStage, bucket: number, chunk: number, rank: number): FrameAddress {
    return { stage, step: this.#options.step, bucket, chunk, rank };
  }

  #carriesScalars(bucket: number, chunk: number): boolean {
    return bucket === this.#group.buckets.length - 1 && chunk === 0;
  }

  #values({ begin, end }: Chunk): Float32Array {
    return this.#group.memory.vector.subarray(begin, end);
  }

  /** Whoever wrote the key first is heard; a twin of this rank that was faster changes nothing here. */
  async #sendSum(bucket: number, chunk: number, values: Float32Array): Promise<void> {
    const { rank, codec, frames, memory, sum } = this.#group;
    const encoded = codec.encode(values, memory.room(bucket, chunk), 0);
    const scalars = this.#carriesScalars(bucket, chunk) ? await this.#scalars.promise : NO_SCALARS;
    await frames.send(this.#address(sum, bucket, chunk, rank), values.length, encoded, {
      contributors: 1,
      weight: this.#options.weight,
      scalars,
    });
  }

  async #reduceOwn(bucket: number, chunk: number, sums: Float32Array): Promise<void> {
    const { rank, worldSize, generation, buckets, codec, frames, clock, memory } = this.#group;
    const values = this.#values(buckets[bucket]!.chunks[chunk]!);
    values.set(sums);
    const scalars = this.#carriesScalars(bucket, chunk) ? await this.#scalars.promise : NO_SCALARS;
    const written: ExpectedFrame = {
      address: this.#address(this.#group.mean, bucket, chunk, rank),
      elements: values.length,
      into: memory.slot(bucket, 0),
    };
    if (generation > 0) {
      // An earlier start of this rank may have finished the step, and its peers may have swept their sums since.
      const earlier = await frames.read(written);
      if (earlier !== undefined) {
        this.#adopt(bucket, chunk, earlier);
        return;
      }
    }
    const sum = new RankOrderedSum(worldSize, memory.sums(bucket), codec);
    const { weight } = this.#options;
    await clock.working(() => sum.take(rank, { contributors: 1, weight, scalars, sums: values }));
    const peers = Array.from({ length: worldSize }, (_, peer) => peer).filter((peer) => peer !== rank);
    const expected = peers.map((peer, i) => ({
      address: this.#address(this.#group.sum, bucket, chunk, peer),
      elements: values.length,
      into: memory.slot(bucket, i),
    }));
    await frames.receive(expected, this.#wait, ({ encoded, ...contribution }, i) =>
      sum.take(peers[i]!, { ...contribution, sums: encoded }),
    );
    await clock.working(async () => {
      sum.writeMean(values);
      await this.#publish(bucket, chunk, written, sum.total);
    });
  }

  /** The mean is what was written: the owner's own values after its codec, or those of a twin that was faster. */
  async #publish(bucket: number, chunk: number, written: ExpectedFrame, total: Contribution): Promise<void> {
    const { worldSize, buckets, codec, frames, memory } = this.#group;
    const values = this.#values(buckets[bucket]!.chunks[chunk]!);
    if (worldSize > 1 || !codec.exact) {
      const encoded = codec.encode(values, memory.room(bucket, chunk), 0);
      if (worldSize > 1 && (await frames.send(written.address, values.length, encoded, total)) === "exists") {
        const winner = await frames.read(written);
        if (winner === undefined) throw deleted(frames.keyOf(written.address));
        this.#adopt(bucket, chunk, winner);
        return;
      }
      if (!codec.exact) codec.decode(encoded, values);
    }
    this.#keepTotal(bucket, chunk, total);
  }

  async #receiveMeans(bucket: number): Promise<void> {
    const { rank, buckets, frames, memory, mean } = this.#group;
    const { chunks } = buckets[bucket]!;
    const others = [...chunks.keys()].filter((chunk) => chunks[chunk]!.owner !== rank);
    const expected = others.map((chunk, i) => {
      const { owner, begin, end } = chunks[chunk]!;
      return {
        address: this.#address(mean, bucket, chunk, owner),
        elements: end - begin,
        into: memory.slot(bucket, i),
      };
    });
    const wait = { ...this.#wait, timeoutMs: this.#wait.timeoutMs * MEAN_PATIENCE };
    await frames.receive(expected, wait, (frame, i) => this.#adopt(bucket, others[i]!, frame));
  }

  #adopt(bucket: number, chunk: number, mean: Received): void {
    this.#group.codec.decode(mean.encoded, this.#values(this.#group.buckets[bucket]!.chunks[chunk]!));
    this.#keepTotal(bucket, chunk, mean);
  }

  #keepTotal(bucket: number, chunk: number, { weight, scalars }: Contribution): void {
    if (this.#carriesScalars(bucket, chunk)) this.#result = { weight, scalars };
  }
}

function noWeight(step: number): SltrainError {
  return new SltrainError({
    code: "weight-zero",
    message: `collective: expected samples from at least one rank in step ${step}, but got none`,
  });
}

function deleted(key: string): SltrainError {
  return new SltrainError({
    code: "frame-missing",
    message: `collective: expected ${key}, which another start of this rank wrote, but it was deleted since`,
  });
}
