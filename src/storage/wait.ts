// The poller for drivers that cannot block. It asks for missing keys only, in three paces: first at every turn of the
// event loop (a peer on another core is often microseconds behind), then with naps between, which leave the core to a
// peer that shares it, and after 2 ms with timers whose pauses grow.

import { setImmediate, setTimeout } from "node:timers/promises";
import { SltrainError } from "../errors.ts";
import type { Arrival, Channel, WaitOptions, WaitRef } from "./storage.ts";

const SPIN_MS = 0.3;
/** Blocks the thread, and the event loop with it, but timers have nothing below 1 ms. The kernel makes it about 0.1 ms. */
const NAP_MS = 0.05;
/** A pause is this share of the time since the last arrival, so it delays a peer that is late by so much more. */
const PAUSE_SHARE = 0.5;
const MAX_PAUSE_MS = 20;
const MAX_KEYS_IN_MESSAGE = 5;

/** `Channel.waitFor` on top of `get`. Keys that are there are yielded in the order of `refs`. */
export async function* pollUntilPresent(
  get: Channel["get"],
  refs: readonly WaitRef[],
  { timeoutMs, signal }: WaitOptions,
): AsyncGenerator<Arrival> {
  let missing = refs.map((_, index) => index);
  const beganMs = performance.now();
  let arrivedMs = beganMs;
  while (missing.length > 0) {
    signal?.throwIfAborted();
    const found = await Promise.all(missing.map((index) => get(refs[index]!, refs[index]!.into)));
    const nowMs = performance.now();
    for (const [i, bytes] of found.entries()) {
      if (bytes === undefined) continue;
      arrivedMs = nowMs;
      yield { index: missing[i]!, bytes };
    }
    missing = missing.filter((_, i) => found[i] === undefined);
    if (missing.length === 0) return;
    const leftMs = timeoutMs - (performance.now() - beganMs);
    if (leftMs <= 0)
      throw timedOut(
        missing.map((index) => refs[index]!.key),
        timeoutMs,
      );
    const idleMs = performance.now() - arrivedMs;
    const pauseMs = Math.min(MAX_PAUSE_MS, leftMs, idleMs * PAUSE_SHARE);
    if (pauseMs >= 1) {
      await pause(pauseMs, signal);
    } else {
      if (idleMs > SPIN_MS) nap();
      await setImmediate();
    }
  }
}

const neverWoken = new Int32Array(new SharedArrayBuffer(4));

function nap(): void {
  Atomics.wait(neverWoken, 0, 0, NAP_MS);
}

async function pause(pauseMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await setTimeout(pauseMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    // The timer wraps the reason in an AbortError of its own; the caller is promised the reason.
    signal?.throwIfAborted();
    throw error;
  }
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
