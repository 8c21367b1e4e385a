// One round of one lane on one rank: its buckets are reduced side by side, and what comes of them is written when
// nobody reads the sums any more.

import { assert, SltrainError } from "../errors.ts";
import { BucketReduce, type RoundContext } from "./bucket-reduce.ts";
import type { Round, RoundOptions, RoundResult } from "./collective.ts";
import type { Received } from "./frame-coder.ts";
import { type Lane, MAX_SCALARS } from "./lane.ts";
import { highest } from "./rank-ordered-sum.ts";

export class LaneRound implements Round {
  readonly #lane: Lane;
  readonly #options: RoundOptions;
  readonly #costBeforeUsd: number;
  readonly #context: RoundContext;
  /** By bucket. */
  readonly #tasks = new Map<number, Promise<void>>();
  readonly #scalars = Promise.withResolvers<Float64Array>();
  readonly #mean = Promise.withResolvers<Float32Array>();
  readonly #controller = new AbortController();
  #peaks: Uint32Array = new Uint32Array(0);
  #adopted = false;
  #isComplete = true;
  #result: RoundResult | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(lane: Lane, options: RoundOptions) {
    this.#lane = lane;
    this.#options = options;
    this.#costBeforeUsd = lane.group.costUsd();
    const own = this.#controller.signal;
    const { step, weight, timeoutMs, signal } = options;
    this.#context = {
      ...{ step, weight, timeoutMs, beganMs: performance.now(), scalars: this.#scalars.promise },
      signal: signal === undefined ? own : AbortSignal.any([signal, own]),
      fail: (error) => this.#fail(error),
    };
  }

  push(bucket: number, sums: Float32Array, words?: Float32Array): void {
    const { options, group } = this.#lane;
    const range = options.buckets[bucket];
    assert(range !== undefined, `push of bucket ${bucket} of ${options.buckets.length}`);
    assert(!this.#tasks.has(bucket), `push of bucket ${bucket} twice in step ${this.#options.step}`);
    assert(
      sums.length === range.end - range.begin,
      `bucket ${bucket} has ${range.end - range.begin} values, not ${sums.length}`,
    );
    group.clock.blocking(() => this.#track(bucket, this.#reduce(bucket, sums, words)));
  }

  /** Takes the place of all pushes where an earlier start of this rank left all means; whether it did. */
  async replay(): Promise<boolean> {
    const buckets = this.#lane.options.buckets.map((_, i) => new BucketReduce(this.#lane, this.#context, i));
    const found = await Promise.all(buckets.map((bucket) => bucket.replay()));
    if (found.includes(undefined)) return false;
    for (const [i, bucket] of buckets.entries()) this.#track(i, this.#complete(bucket, i, found[i]!));
    return true;
  }

  async finish(scalars: Float64Array, mean: Float32Array): Promise<RoundResult> {
    const { options, length, group } = this.#lane;
    assert(
      this.#tasks.size === options.buckets.length,
      `finish of step ${this.#options.step} before all pushes`,
    );
    assert(mean.length === length, `mean has ${length} values, not ${mean.length}`);
    assert(scalars.length <= MAX_SCALARS, `at most ${MAX_SCALARS} scalars, not ${scalars.length}`);
    const result = await group.clock.finishing(async () => {
      this.#scalars.resolve(scalars.slice());
      this.#mean.resolve(mean);
      await Promise.all(this.#tasks.values());
      if (this.#failure !== undefined) throw this.#failure.error;
      const result = this.#result;
      assert(result !== undefined, "a round ends with its result");
      this.#lane.finished({
        peaks: this.#peaks,
        adopted: this.#adopted,
        isComplete: this.#isComplete,
      });
      if (result.weight === 0 && mean.length > 0) throw noWeight(this.#options.step);
      return result;
    });
    if (!this.#adopted) this.#lane.zstd.ended(group.costUsd() - this.#costBeforeUsd);
    return result;
  }

  /** The first failure is the round's; it ends the waiting of the other buckets. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#controller.abort(error);
  }

  async #reduce(bucket: number, sums: Float32Array, words: Float32Array | undefined): Promise<void> {
    const reduce = new BucketReduce(this.#lane, this.#context, bucket);
    await this.#complete(reduce, bucket, await reduce.run(sums, words));
  }

  #track(bucket: number, work: Promise<void>): void {
    this.#tasks.set(
      bucket,
      work.catch((error: unknown) => this.#fail(error)),
    );
  }

  async #complete(reduce: BucketReduce, bucket: number, means: readonly Received[]): Promise<void> {
    // The mean may take the place of the sums, so all is decoded when the last is there.
    const mean = await this.#mean.promise;
    await this.#lane.group.clock.working(() => this.#write(bucket, means, mean));
    this.#adopted ||= reduce.adopted;
  }

  #write(bucket: number, means: readonly Received[], mean: Float32Array): void {
    for (const [piece, { begin, end }] of this.#lane.plans[bucket]!.means.entries()) {
      const { values, peaks, absent } = means[piece]!;
      this.#isComplete &&= absent.length === 0;
      values.codec.decode(values.encoded, mean.subarray(begin, end));
      this.#peaks = highest(this.#peaks, peaks);
    }
    if (bucket < this.#lane.options.buckets.length - 1) return;
    const { weight, scalars } = means[0]!;
    this.#result = { weight, scalars };
  }
}

function noWeight(step: number): SltrainError {
  return new SltrainError({
    code: "weight-zero",
    message: `collective: expected samples from at least one rank in step ${step}, but got none`,
  });
}
