// Repeats what failed and may succeed later, with exponential backoff and full jitter (Marc Brooker, "Exponential
// Backoff And Jitter", AWS Architecture Blog, 2015): workers that were throttled together must not come back together.
// Drivers repeat nothing themselves.

import { SltrainError } from "../../errors.ts";
import { formatDuration } from "../../units.ts";
import { type Clock, realClock } from "../clock.ts";
import type { Arrival, Channel, GetRef, Storage, WaitOptions, WaitRef } from "../storage.ts";
import { pollUntilPresent } from "../wait.ts";
import { layered } from "./layer.ts";

export interface RetryOptions {
  /** No try begins later than this after the call. A try that gets no answer is the driver's to end. Default one minute. */
  readonly deadlineMs?: number;
  /** The same for a store that has not answered yet: its address is more likely wrong than the store down. Default 10,000. */
  readonly firstAnswerMs?: number;
  /** The first pause is drawn from [0, this); the bound doubles with each failure. Default 50. */
  readonly firstPauseMs?: number;
  /** Default 5,000. */
  readonly maxPauseMs?: number;
  /** Ends all pauses: the calls throw its reason. */
  readonly signal?: AbortSignal;
  /** Called before each pause with the failure after which it will be tried again. */
  readonly onRetry?: (error: SltrainError) => void;
  readonly clock?: Clock;
  /** Uniform in [0, 1). Timing never changes bits, so this needs no seed. */
  readonly random?: () => number;
}

/** A failure in the last moment of a wait is repeated so long: it shall not hide which objects are missing. */
const WAIT_GRACE_MS = 500;

const DEFAULTS = {
  ...{ deadlineMs: 60_000, firstAnswerMs: 10_000, firstPauseMs: 50, maxPauseMs: 5000 },
  ...{ clock: realClock, random: Math.random },
};

/**
 * `inner`, with every call repeated while it throws a SltrainError that is `retryable`, until the deadline; then the
 * last error is thrown, with the number of tries and their time. `waitFor` is bounded by its own time-out as well.
 *
 * A put whose answer was lost is put again. Put-if-absent then says "exists" although this caller's first try stored
 * the object: "exists" means that somebody wrote it, perhaps the caller itself.
 */
export function withRetry<S extends Channel>(inner: S, options?: RetryOptions): S;
export function withRetry(inner: Channel | Storage, options: RetryOptions = {}): Channel | Storage {
  const settings = { ...DEFAULTS, ...options };
  const { clock } = settings;
  let hasAnswered = false;

  const failed = (tries: Tries, error: unknown): Promise<void> => {
    hasAnswered ||= isAnswer(error);
    return tries.failed(error, hasAnswered ? Infinity : settings.firstAnswerMs);
  };

  async function repeat<T>(call: () => Promise<T>, bounds = settings): Promise<T> {
    const tries = new Tries(bounds);
    for (;;) {
      try {
        const result = await call();
        hasAnswered = true;
        return result;
      } catch (error) {
        await failed(tries, error);
      }
    }
  }

  const get = (
    ref: GetRef,
    into: Uint8Array | undefined,
    bounds = settings,
  ): Promise<Uint8Array | undefined> => repeat(() => inner.get(ref, into), bounds);

  /** The bounds of a request within a wait. */
  const within = (untilMs: number, signal: AbortSignal | undefined): typeof settings => ({
    ...settings,
    deadlineMs: Math.min(settings.deadlineMs, Math.max(WAIT_GRACE_MS, untilMs - clock.nowMs())),
    ...(signal !== undefined && { signal }),
  });

  async function* waitBlocking(
    refs: readonly WaitRef[],
    { timeoutMs, ...wait }: WaitOptions,
  ): AsyncGenerator<Arrival> {
    const untilMs = clock.nowMs() + timeoutMs;
    let missing = refs.map((_, index) => index);
    let leftMs = timeoutMs;
    let tries = new Tries(within(untilMs, wait.signal));
    while (missing.length > 0) {
      const asked = missing;
      try {
        const askedRefs = asked.map((index) => refs[index]!);
        for await (const arrival of inner.waitFor(askedRefs, { ...wait, timeoutMs: leftMs })) {
          const index = asked[arrival.index]!;
          hasAnswered = true;
          missing = missing.filter((other) => other !== index);
          tries = new Tries(within(untilMs, wait.signal));
          yield { index, bytes: arrival.bytes };
        }
      } catch (error) {
        await failed(tries, error);
        leftMs = Math.max(0, untilMs - clock.nowMs());
      }
    }
  }

  async function* list(prefix: string): AsyncGenerator<string> {
    let last: string | undefined;
    const tries = new Tries(settings);
    for (;;) {
      try {
        // Keys come in order: what was told before the failure is skipped.
        for await (const key of (inner as Storage).list(prefix)) {
          hasAnswered = true;
          if (last !== undefined && key <= last) continue;
          last = key;
          yield key;
        }
        return;
      } catch (error) {
        await failed(tries, error);
      }
    }
  }

  return layered<Channel | Storage>(inner, {
    put: (key, parts, how) => repeat(() => inner.put(key, parts, how)),
    get: (ref, into) => get(ref, into),
    waitFor(refs, wait) {
      if (inner.capabilities.blockingWait) return waitBlocking(refs, wait);
      const untilMs = clock.nowMs() + wait.timeoutMs;
      const polled = {
        capabilities: inner.capabilities,
        get: (ref: GetRef, into?: Uint8Array) => get(ref, into, within(untilMs, wait.signal)),
      };
      return pollUntilPresent(polled, refs, wait);
    },
    delete: (keys) => repeat(() => inner.delete(keys)),
    ...("list" in inner && {
      list,
      deleteFolder: (folder: string) => repeat(() => inner.deleteFolder(folder)),
    }),
  });
}

type Settings = typeof DEFAULTS & Pick<RetryOptions, "signal" | "onRetry">;

/** The tries of one call. */
export class Tries {
  readonly #settings: Settings;
  readonly #beganMs: number;
  #failures = 0;

  constructor(options: RetryOptions) {
    this.#settings = { ...DEFAULTS, ...options };
    this.#beganMs = this.#settings.clock.nowMs();
  }

  /** Pauses before the next try, or throws what the call shall throw. `limitMs` may shorten the deadline. */
  async failed(error: unknown, limitMs = Infinity): Promise<void> {
    const { clock, random, firstPauseMs, maxPauseMs, deadlineMs, signal, onRetry } = this.#settings;
    // A wait that ran out of time had all the time there was.
    if (!(error instanceof SltrainError) || !error.retryable || error.code === "wait-timeout") throw error;
    const bound = Math.min(maxPauseMs, firstPauseMs * 2 ** this.#failures++);
    const pauseMs = random() * bound;
    const spentMs = clock.nowMs() - this.#beganMs;
    if (spentMs + pauseMs > Math.min(deadlineMs, limitMs)) throw givenUp(error, this.#failures, spentMs);
    onRetry?.(error);
    await clock.sleep(pauseMs, signal);
  }
}

/** A refusal is one too. */
function isAnswer(error: unknown): boolean {
  return error instanceof SltrainError && error.code !== "storage-unreachable";
}

function givenUp(error: SltrainError, tries: number, spentMs: number): SltrainError {
  const { code, suggestions, retryable } = error;
  const message = `${error.message}; ${tries === 1 ? "tried once" : `tried ${tries} times in ${formatDuration(spentMs)}`}`;
  return new SltrainError({ code, message, cause: error, suggestions, retryable });
}
