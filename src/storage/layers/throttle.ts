// Emulates a slower channel: a latency for each request, and a link of limited bandwidth each way. Every opener has
// links of its own, as every function has its own network interface; a server's bandwidth, which all would share, is
// not emulated.

import { RandomStream } from "../../random.ts";
import { type Clock, realClock } from "../clock.ts";
import type { Channel, Storage } from "../storage.ts";
import { layered } from "./layer.ts";

export interface ThrottleOptions {
  /** From the call to the answer, beside the time for the bytes; half of it each way. Default 0. */
  readonly latencyMs?: number;
  /** Added to each latency, uniform in [0, this). Default 0. */
  readonly jitterMs?: number;
  /** 1e6 bytes per second; concurrent transfers share them. Default: unlimited. */
  readonly upMBs?: number;
  readonly downMBs?: number;
  /** Of the jitter. Default 0. */
  readonly seed?: number;
  readonly clock?: Clock;
}

/** `inner`, slower. What is emulated is polled for, also where `inner` is told of arrivals. */
export function withThrottle<S extends Channel>(inner: S, options: ThrottleOptions): S;
export function withThrottle(inner: Channel | Storage, options: ThrottleOptions): Channel | Storage {
  const { latencyMs = 0, jitterMs = 0, seed = 0, clock = realClock } = options;
  const random = new RandomStream(seed, "throttle");
  const up = new Link(options.upMBs, clock);
  const down = new Link(options.downMBs, clock);
  const halfLatencyMs = (): number => (latencyMs + jitterMs * random.nextUniform()) / 2;

  /** Runs `request` between the bytes on their way to the store and those on their way back. */
  async function across<T>(
    bytesUp: number,
    request: () => Promise<T>,
    bytesDown: (answer: T) => number = () => 0,
  ): Promise<T> {
    const wayMs = halfLatencyMs();
    await up.carry(bytesUp, wayMs);
    const answer = await request();
    await down.carry(bytesDown(answer), wayMs);
    return answer;
  }

  return layered<Channel | Storage>(inner, {
    capabilities: { ...inner.capabilities, blockingWait: false },
    put(key, parts, how) {
      const bytesUp = parts.reduce((total, { byteLength }) => total + byteLength, 0);
      return across(bytesUp, () => inner.put(key, parts, how));
    },
    get: (ref, into) =>
      across(
        0,
        () => inner.get(ref, into),
        (bytes) => bytes?.byteLength ?? 0,
      ),
    delete: (keys) => across(0, () => inner.delete(keys)),
    ...("list" in inner && {
      async *list(prefix: string) {
        await across(0, () => Promise.resolve());
        yield* inner.list(prefix);
      },
      deleteFolder: (folder: string) => across(0, () => inner.deleteFolder(folder)),
    }),
  });
}

/** One direction: transfers queue, each at the full rate. */
class Link {
  readonly #bytesPerMs: number;
  readonly #clock: Clock;
  #freeAtMs = 0;

  constructor(megabytesPerS: number | undefined, clock: Clock) {
    this.#bytesPerMs = (megabytesPerS ?? Infinity) * 1000;
    this.#clock = clock;
  }

  /** Returns when the last of `bytes` has left and `wayMs` have passed. */
  async carry(bytes: number, wayMs: number): Promise<void> {
    const nowMs = this.#clock.nowMs();
    // A request without a body slips in between the packets of the others.
    if (bytes > 0) this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + bytes / this.#bytesPerMs;
    const durationMs = (bytes > 0 ? this.#freeAtMs - nowMs : 0) + wayMs;
    if (durationMs > 0) await this.#clock.sleep(durationMs);
  }
}
