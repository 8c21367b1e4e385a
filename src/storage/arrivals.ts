// Waiting for drivers whose store tells them of arrivals: one task for each object, yielded in the order in which they
// end. wait.ts polls for the others.

import type { Arrival, WaitOptions, WaitRef } from "./storage.ts";
import { timedOut } from "./wait.ts";

/**
 * `arrive` resolves with the object once it is there; after an abort of its signal it rejects as soon as nothing more is
 * written into the ref's memory.
 */
export async function* inOrderOfArrival(
  refs: readonly WaitRef[],
  { timeoutMs, signal }: WaitOptions,
  arrive: (ref: WaitRef, signal: AbortSignal) => Promise<Uint8Array>,
): AsyncGenerator<Arrival> {
  signal?.throwIfAborted();
  const missing = new Set(refs.keys());
  const arrived: Arrival[] = [];
  const stop = new AbortController();
  let failure: { readonly error: unknown } | undefined;
  let news = Promise.withResolvers<undefined>();
  const fail = (error: unknown): void => {
    failure ??= { error };
    stop.abort(error);
    news.resolve(undefined);
  };
  const abort = (): void => fail(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => {
    fail(
      timedOut(
        [...missing].map((index) => refs[index]!.key),
        timeoutMs,
      ),
    );
  }, timeoutMs);
  const tasks = refs.map(async (ref, index) => {
    try {
      const bytes = await arrive(ref, stop.signal);
      missing.delete(index);
      arrived.push({ index, bytes });
      news.resolve(undefined);
    } catch (error) {
      fail(error);
    }
  });
  try {
    for (let yielded = 0; yielded < refs.length;) {
      if (failure !== undefined) throw failure.error;
      const arrival = arrived[yielded];
      if (arrival === undefined) {
        await news.promise;
        news = Promise.withResolvers();
      } else {
        yielded++;
        yield arrival;
      }
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    if (missing.size > 0) stop.abort();
    await Promise.all(tasks);
  }
}
