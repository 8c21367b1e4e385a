// Asks for objects to come with few requests that find nothing. It probes for one of the missing at a time, each time
// another, with pauses that grow with the time since the last arrival. When a probe brings its object, the others are
// probably there as well, and it asks for them side by side.
//
// Of n objects, requests that find nothing are at most 2n beside the probes: a wait may spend one for each object, and
// one more for each that came. Probes that find nothing grow with the logarithm of the lateness since the last arrival,
// to base 1.5, until a pause is `maxPauseMs` long.

import type { Clock } from "./clock.ts";
import type { Arrival, Channel, WaitRef } from "./storage.ts";

const MIN_PAUSE_MS = 4;
/** A pause is this share of the time since the last arrival, so it delays a peer that is late by so much more. */
const PAUSE_SHARE = 0.5;

/** What both kinds of polling need to ask. */
export interface Asking {
  readonly get: Channel["get"];
  readonly refs: readonly WaitRef[];
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  readonly untilMs: number;
}

/** Yields what comes of the refs `indices`; returns those that are missing at the deadline. */
export async function* askSparingly(
  { get, refs, signal, clock, untilMs }: Asking,
  indices: readonly number[],
  maxPauseMs: number,
): AsyncGenerator<Arrival, number[]> {
  const missing = [...indices];
  let arrivedMs = clock.nowMs();
  let spare = missing.length;
  let askFor = 1;
  let atOnce = true;
  while (missing.length > 0) {
    signal?.throwIfAborted();
    const isLast = clock.nowMs() >= untilMs;
    const asked = missing.splice(0, isLast ? missing.length : askFor);
    const found = await Promise.all(asked.map((index) => get(refs[index]!, refs[index]!.into)));
    const nowMs = clock.nowMs();
    const absent = asked.filter((_, i) => found[i] === undefined);
    missing.push(...absent);
    for (const [i, bytes] of found.entries())
      if (bytes !== undefined) yield { index: asked[i]!, bytes, atOnce };
    if (isLast) break;
    atOnce = false;

    const arrivals = asked.length - absent.length;
    if (arrivals > 0) arrivedMs = nowMs;
    spare += arrivals - (askFor > 1 ? absent.length : 0);
    askFor = absent.length > 0 ? 1 : Math.max(1, Math.min(spare, missing.length));
    if (absent.length > 0) {
      const pauseMs = Math.max(MIN_PAUSE_MS, Math.min(maxPauseMs, PAUSE_SHARE * (nowMs - arrivedMs)));
      await clock.sleep(Math.min(pauseMs, Math.max(0, untilMs - clock.nowMs())), signal);
    }
  }
  return missing;
}
