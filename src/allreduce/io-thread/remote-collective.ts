// The training thread's side: a collective whose work is done on another thread. Sums and means lie in memory that both
// threads share; what does not is copied once, on its way there or back.

import type { MessagePort } from "node:worker_threads";
import type { CollectiveJob } from "../collective-job.ts";
import { restoreState, sharedFloats } from "../collective-state.ts";
import type {
  Collective,
  CollectiveState,
  CollectiveStats,
  EarlierRound,
  Round,
  RoundOptions,
  RoundResult,
} from "../collective.ts";
import type { OnLate } from "../frame-coder.ts";
import type { Answer, Call, Late, Notice, Opened, Value } from "./messages.ts";
import { receivedError } from "./posted-error.ts";

export interface RemoteOptions {
  readonly onLate?: OnLate | undefined;
  /** Aborted when the other thread is gone: its reason is what all calls then throw. */
  readonly lost?: AbortSignal;
}

/** The collective that `serveCollective` at the port's other end opens for `job`. Throws what opening it threw. */
export async function remoteCollective(
  port: MessagePort,
  job: CollectiveJob,
  options: RemoteOptions = {},
): Promise<Collective> {
  const link = new Link(port, options);
  const opened = (await link.call({ kind: "open", id: link.nextId(), job })) as Opened;
  return new RemoteCollective(link, opened);
}

/** Sends, and knows who waits for which answer. The process lives on for answers only. */
class Link {
  readonly #port: MessagePort;
  readonly #lost: AbortSignal | undefined;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #ids = 0;
  /** The other side's, as of its last answer. */
  stats: CollectiveStats | undefined;

  constructor(port: MessagePort, { onLate, lost }: RemoteOptions) {
    this.#port = port;
    this.#lost = lost;
    port.on("message", (message: Answer | Late) => {
      if ("late" in message) return onLate?.(message.late, message.lateness);
      this.stats = message.stats ?? this.stats;
      this.#waiting.get(message.id)!(message);
    });
    port.unref();
  }

  nextId(): number {
    return this.#ids++;
  }

  tell(notice: Notice): void {
    this.#port.postMessage(notice);
  }

  /** Throws what the other side threw; the reason of `signal`, if that is why. */
  async call(call: Call, signal?: AbortSignal): Promise<Value> {
    this.#lost?.throwIfAborted();
    const answered = Promise.withResolvers<Answer>();
    const isLost = (): void => answered.reject(this.#lost!.reason);
    this.#lost?.addEventListener("abort", isLost);
    this.#waiting.set(call.id, answered.resolve);
    this.#port.ref();
    try {
      this.#port.postMessage(call);
      const { outcome } = await answered.promise;
      if ("value" in outcome) return outcome.value;
      throw "error" in outcome ? receivedError(outcome.error) : signal?.reason;
    } finally {
      this.#waiting.delete(call.id);
      if (this.#waiting.size === 0) this.#port.unref();
      this.#lost?.removeEventListener("abort", isLost);
    }
  }

  /** Tells of an abort, from now on until what it returns is called. */
  forward(signal: AbortSignal | undefined, id: number): () => void {
    const abort = (): void => this.tell({ kind: "abort", id });
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort);
    return () => signal?.removeEventListener("abort", abort);
  }
}

class RemoteCollective implements Collective {
  readonly buckets: Opened["buckets"];
  readonly ownPieces: Opened["ownPieces"];
  readonly state: CollectiveState;
  readonly #link: Link;
  /** For vectors that are not in shared memory themselves; made when there is one. */
  readonly #vectors: { values?: Float32Array; words?: Float32Array } = {};
  /** Milliseconds that rounds took of the calling thread. */
  #spentMs = 0;

  constructor(link: Link, { buckets, ownPieces, state }: Opened) {
    this.#link = link;
    this.buckets = buckets;
    this.ownPieces = ownPieces;
    this.state = state;
  }

  get stats(): CollectiveStats {
    const stats = this.#link.stats!;
    // The other thread waits, for this one, in `finish` alone.
    return { ...stats, exchangeMs: this.#spentMs - stats.waitMs };
  }

  restore(state: CollectiveState): void {
    restoreState(this.state, state);
  }

  inherit(rounds: readonly EarlierRound[]): void {
    this.#link.tell({ kind: "inherit", id: this.#link.nextId(), rounds });
  }

  begin({ signal, ...options }: RoundOptions): Round {
    const link = this.#link;
    const id = link.nextId();
    link.tell({ kind: "begin", id, options });
    const stopForwarding = link.forward(signal, id);
    return {
      push: (bucket, sums, words) => {
        const beganMs = performance.now();
        const begin = this.buckets[bucket]?.begin ?? 0;
        const shared = this.#shared(sums, begin);
        if (shared !== sums) shared.set(sums);
        const sharedWords = words && this.#shared(words, begin, "words");
        if (sharedWords !== words) sharedWords!.set(words!);
        link.tell({ kind: "push", id, bucket, sums: shared, words: sharedWords });
        this.#spentMs += performance.now() - beganMs;
      },
      finish: (scalars, mean) =>
        this.#spending(async () => {
          const shared = this.#shared(mean, 0);
          const result = await link.call({ kind: "finish", id, scalars, mean: shared }, signal);
          if (shared !== mean) mean.set(shared);
          return result as RoundResult;
        }).finally(stopForwarding),
    };
  }

  async replay({ signal, ...options }: RoundOptions, mean: Float32Array): Promise<RoundResult | undefined> {
    const shared = this.#shared(mean, 0);
    const id = this.#link.nextId();
    const result = await this.#stoppable({ kind: "replay", id, options, mean: shared }, signal);
    if (result !== undefined && shared !== mean) mean.set(shared);
    return result;
  }

  replayScalars({ signal, ...options }: RoundOptions): Promise<RoundResult | undefined> {
    return this.#stoppable({ kind: "replayScalars", id: this.#link.nextId(), options }, signal);
  }

  reduceScalars({ signal, ...options }: RoundOptions, scalars: Float64Array): Promise<RoundResult> {
    const id = this.#link.nextId();
    const done = this.#stoppable({ kind: "reduceScalars", id, options, scalars }, signal);
    return done as Promise<RoundResult>;
  }

  /** A call that is a whole round. */
  #stoppable(call: Call, signal: AbortSignal | undefined): Promise<RoundResult | undefined> {
    const done = this.#spending(() => this.#link.call(call, signal));
    return (done as Promise<RoundResult | undefined>).finally(this.#link.forward(signal, call.id));
  }

  async sweep(currentStep: number, durableStep: number): Promise<void> {
    await this.#link.call({ kind: "sweep", id: this.#link.nextId(), currentStep, durableStep });
  }

  async close(): Promise<void> {
    await this.#link.call({ kind: "close", id: this.#link.nextId() });
  }

  /** `values`, or as much shared memory for those from element `begin`. */
  #shared(values: Float32Array, begin: number, of: "values" | "words" = "values"): Float32Array {
    if (values.buffer instanceof SharedArrayBuffer) return values;
    this.#vectors[of] ??= sharedFloats(Math.max(...this.buckets.map(({ end }) => end)));
    return this.#vectors[of].subarray(begin, begin + values.length);
  }

  async #spending<T>(work: () => Promise<T>): Promise<T> {
    const beganMs = performance.now();
    try {
      return await work();
    } finally {
      this.#spentMs += performance.now() - beganMs;
    }
  }
}
