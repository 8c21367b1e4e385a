// The poller for drivers that cannot block. It asks for missing keys only, tightly at first (a peer on another core
// is usually less than 2 ms behind), then ever more seldom, so that it leaves the core to a peer that shares it.

import { setImmediate, setTimeout } from "node:timers/promises";
import { SltrainError } from "../errors.ts";
import type { Arrival, Channel, WaitOptions, WaitRef } from "./storage.ts";

/** The pause grows to this share of the time since the last arrival; below 1 ms it is one turn of the event loop. */
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
    const pauseMs = Math.min(MAX_PAUSE_MS, leftMs, (performance.now() - arrivedMs) * PAUSE_SHARE);
    if (pauseMs < 1) await setImmediate();
    else await pause(pauseMs, signal);
  }
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

function timedOut(keys: readonly string[], timeoutMs: number): SltrainError {
  const named = keys.slice(0, MAX_KEYS_IN_MESSAGE).join(", ");
  const more = keys.length > MAX_KEYS_IN_MESSAGE ? ` and ${keys.length - MAX_KEYS_IN_MESSAGE} more` : "";
  return new SltrainError({
    code: "wait-timeout",
    message: `storage wait: expected ${keys.length} objects within ${timeoutMs} ms, still missing ${named}${more}`,
    retryable: true,
  });
}
