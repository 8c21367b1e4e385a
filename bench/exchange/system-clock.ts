// A clock that all processes of this machine read alike, so that ranks can start together and be compared.

const asleep = new Int32Array(new SharedArrayBuffer(4));

/** Milliseconds since some moment before the machine's processes began (CLOCK_MONOTONIC on Linux). */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Blocks the thread, but leaves its core to others; returns at once if `timeMs` has passed. */
export function waitUntil(timeMs: number): void {
  for (let leftMs = timeMs - nowMs(); leftMs > 0; leftMs = timeMs - nowMs()) {
    Atomics.wait(asleep, 0, 0, leftMs);
  }
}
