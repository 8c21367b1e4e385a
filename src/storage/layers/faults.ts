// Makes a store fail as stores do, for tests: which requests fail is a function of the seed and of their order.

import { SltrainError } from "../../errors.ts";
import { RandomStream } from "../../random.ts";
import { type Clock, realClock } from "../clock.ts";
import type { Channel, Storage } from "../storage.ts";
import { layered } from "./layer.ts";

export interface FaultPlan {
  /** Share of requests, 0 to 1, that are refused before they do anything, as by a store that throttles (503). */
  readonly errors?: number;
  /** Share of requests that are done, but whose connection is reset before the answer comes. */
  readonly lostAnswers?: number;
  /** Share of requests that take `delayMs` longer. */
  readonly delays?: number;
  readonly delayMs?: number;
  /** Share of gets whose bytes come with one bit flipped. */
  readonly damages?: number;
  /** Share of gets whose last bytes do not come, without an error. */
  readonly truncations?: number;
  /** Share of gets that find nothing, for the object was evicted just before. */
  readonly evictions?: number;
  /** All requests are refused for `outageMs`, from this moment after opening. */
  readonly outageAfterMs?: number;
  readonly outageMs?: number;
  /** Default 0. */
  readonly seed?: number;
  readonly clock?: Clock;
}

/** `inner`, failing by `plan`. Waiting polls, also where `inner` is told of arrivals. */
export function withFaults<S extends Channel>(inner: S, plan: FaultPlan): S;
export function withFaults(inner: Channel | Storage, plan: FaultPlan): Channel | Storage {
  const { clock = realClock, delayMs = 0, outageAfterMs = 0, outageMs = 0, seed = 0 } = plan;
  const random = new RandomStream(seed, "faults");
  const openedMs = clock.nowMs();
  const strikes = (share: number | undefined): boolean => random.nextUniform() < (share ?? 0);

  async function request<T>(what: string, send: () => Promise<T>): Promise<T> {
    const [isRefused, isLost, isLate] = [plan.errors, plan.lostAnswers, plan.delays].map(strikes);
    if (isLate === true) await clock.sleep(delayMs);
    const sinceOutageMs = clock.nowMs() - openedMs - outageAfterMs;
    const isOut = sinceOutageMs >= 0 && sinceOutageMs < outageMs;
    if (isRefused === true || isOut) {
      throw failure("storage-throttled", `storage ${what}: expected an answer, but got 503 (emulated)`);
    }
    const answer = await send();
    if (isLost === true) {
      throw failure(
        "storage-unreachable",
        `storage ${what}: expected an answer, but the connection was reset (emulated)`,
      );
    }
    return answer;
  }

  return layered<Channel | Storage>(inner, {
    capabilities: { ...inner.capabilities, blockingWait: false },
    put: (key, parts, how) => request(`put ${key}`, () => inner.put(key, parts, how)),
    async get(ref, into) {
      const [isEvicted, isDamaged, isTruncated] = [plan.evictions, plan.damages, plan.truncations].map(
        strikes,
      );
      if (isEvicted === true) await inner.delete([ref.key]);
      const bytes = await request(`get ${ref.key}`, () => inner.get(ref, into));
      if (bytes === undefined || bytes.byteLength === 0) return bytes;
      if (isDamaged === true) bytes[random.nextInt(bytes.byteLength)]! ^= 1 << random.nextInt(8);
      return isTruncated === true ? bytes.subarray(0, random.nextInt(bytes.byteLength)) : bytes;
    },
    delete: (keys) => request(`delete ${keys[0] ?? "nothing"}`, () => inner.delete(keys)),
    ...("list" in inner && {
      async *list(prefix: string) {
        await request(`list ${prefix}`, () => Promise.resolve());
        yield* inner.list(prefix);
      },
      deleteFolder: (folder: string) => request(`delete ${folder}`, () => inner.deleteFolder(folder)),
    }),
  });
}

function failure(code: string, message: string): SltrainError {
  return new SltrainError({ code, message, retryable: true });
}
