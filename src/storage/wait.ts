// Waiting on top of `get`, for drivers that cannot block. Where requests are free and answered at once, the poller asks
// for all that is missing, in three paces: first at every turn of the event loop (a peer on another core is often
// microseconds behind), then with naps between, which leave the core to a peer that shares it (asking over a socket
// leaves it by itself), and after 2 ms with timers whose pauses grow. Where a request has a price or a network to cross, it asks sparingly (sparse-wait.ts).

import { setImmediate } from "node:timers/promises";
import { SltrainError } from "../errors.ts";
import { realClock } from "./clock.ts";
import { askSparingly, type Asking } from "./sparse-wait.ts";
import type { Arrival, Channel, WaitOptions, WaitRef } from "./storage.ts";

const SPIN_MS = 0.3;
/** Blocks the thread, and the event loop with it, but timers have nothing below 1 ms. The kernel makes it about 0.1 ms. */
const NAP_MS = 0.05;
/** A pause is this share of the time since the last arrival, so it delays a peer that is late by so much more. */
const PAUSE_SHARE = 0.5;
const MAX_PAUSE_MS = 20;
/** A store that says no so slowly, and so often in a row that no other process can be the reason, is a remote one. */
const REMOTE_MS = 2;
const REMOTE_ASKS = 3;
/**
 * At $0.4 for a million, a request each second costs about a hundredth of the function that waits: a cent in the
 * dollar buys that no peer is noticed more than a second late.
 */
const MAX_PRICED_PAUSE_MS = 1000;
const MAX_KEYS_IN_MESSAGE = 5;

/** `Channel.waitFor` on top of `get`. Of keys that are there at the same time, earlier refs are yielded first. */
export async function* pollUntilPresent(
  { get, capabilities: { prices } }: Pick<Channel, "get" | "capabilities">,
  refs: readonly WaitRef[],
  { timeoutMs, signal, expectedMs = 0 }: WaitOptions,
): AsyncGenerator<Arrival> {
  const beganMs = realClock.nowMs();
  const asking = { get, refs, signal, clock: realClock, untilMs: beganMs + timeoutMs };
  let missing = refs.map((_, index) => index);
  if (prices === undefined) missing = yield* askFreely(asking, missing);
  else await realClock.sleep(Math.min(expectedMs, timeoutMs), signal);
  missing = yield* askSparingly(asking, missing, prices === undefined ? MAX_PAUSE_MS : MAX_PRICED_PAUSE_MS);
  if (missing.length > 0)
    throw timedOut(
      missing.map((index) => refs[index]!.key),
      timeoutMs,
    );
}

/** Yields what comes; returns what is missing at the deadline, or when the store turns out to be a remote one. */
async function* askFreely(
  { get, refs, signal, untilMs }: Asking,
  missing: readonly number[],
): AsyncGenerator<Arrival, number[]> {
  let arrivedMs = performance.now();
  let slowAsks = 0;
  for (;;) {
    signal?.throwIfAborted();
    const askedMs = performance.now();
    const found = await Promise.all(missing.map((index) => get(refs[index]!, refs[index]!.into)));
    const nowMs = performance.now();
    for (const [i, bytes] of found.entries()) {
      if (bytes === undefined) continue;
      arrivedMs = nowMs;
      yield { index: missing[i]!, bytes };
    }
    const left = missing.filter((_, i) => found[i] === undefined);
    const isSlow = left.length === missing.length && nowMs - askedMs > REMOTE_MS;
    slowAsks = isSlow ? slowAsks + 1 : 0;
    missing = left;
    const leftMs = untilMs - performance.now();
    if (missing.length === 0 || leftMs <= 0 || slowAsks === REMOTE_ASKS) return left;
    const idleMs = performance.now() - arrivedMs;
    const pauseMs = Math.min(MAX_PAUSE_MS, leftMs, idleMs * PAUSE_SHARE);
    if (pauseMs >= 1) {
      await realClock.sleep(pauseMs, signal);
    } else {
      // What comes over sockets for others of this process must not wait for a nap.
      if (idleMs > SPIN_MS && nowMs - askedMs < NAP_MS) nap();
      await setImmediate();
    }
  }
}

const neverWoken = new Int32Array(new SharedArrayBuffer(4));

function nap(): void {
  Atomics.wait(neverWoken, 0, 0, NAP_MS);
}

export function timedOut(keys: readonly string[], timeoutMs: number): SltrainError {
  const named = keys.slice(0, MAX_KEYS_IN_MESSAGE).join(", ");
  const more = keys.length > MAX_KEYS_IN_MESSAGE ? ` and ${keys.length - MAX_KEYS_IN_MESSAGE} more` : "";
  return new SltrainError({
    code: "wait-timeout",
    message: `storage wait: expected ${keys.length} objects within ${timeoutMs} ms, still missing ${named}${more}`,
    retryable: true,
  });
}
