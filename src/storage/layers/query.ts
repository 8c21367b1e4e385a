// The query of a storage URI: how long failures are repeated, and what is emulated on top of the driver, such as
// `fs:PATH?latencyMs=20&upMBs=50&downMBs=50`.

import { SltrainError } from "../../errors.ts";
import { REQUEST_PRICES, type RequestPrices } from "../prices.ts";
import type { Channel } from "../storage.ts";
import { type FaultPlan, withFaults } from "./faults.ts";
import { layered } from "./layer.ts";
import type { RetryOptions } from "./retry.ts";
import { type ThrottleOptions, withThrottle } from "./throttle.ts";

const THROTTLE: readonly string[] = [
  "latencyMs",
  "jitterMs",
  "upMBs",
  "downMBs",
] satisfies (keyof ThrottleOptions)[];
const SHARES: readonly string[] = [
  "errors",
  "lostAnswers",
  "delays",
  "damages",
  "truncations",
  "evictions",
] satisfies (keyof FaultPlan)[];
const TIMES: readonly string[] = ["delayMs", "outageAfterMs", "outageMs"] satisfies (keyof FaultPlan)[];
const FAULTS = [...SHARES, ...TIMES];
const NUMBERS = ["retryMs", ...THROTTLE, ...FAULTS, "seed"];

export interface QueriedLayers {
  /** How long a request that fails is repeated. */
  readonly retry: Pick<RetryOptions, "deadlineMs" | "firstAnswerMs">;
  /** A channel behind what shall be emulated. */
  readonly emulate: <S extends Channel>(channel: S) => S;
}

/** Of the query without its question mark; "" for none. Throws "storage-query-invalid". */
export function parseQuery(query: string): QueriedLayers {
  const numbers: Record<string, number> = {};
  let prices: RequestPrices | undefined;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === "prices") prices = pricesOf(value);
    else numbers[name] = numberOf(name, value);
  }
  const names = Object.keys(numbers);
  const { retryMs } = numbers;
  return {
    retry: retryMs === undefined ? {} : { deadlineMs: retryMs, firstAnswerMs: retryMs },
    emulate(channel) {
      let emulated = channel;
      if (names.some((name) => THROTTLE.includes(name))) emulated = withThrottle(emulated, numbers);
      if (names.some((name) => FAULTS.includes(name))) emulated = withFaults(emulated, numbers);
      return prices === undefined ? emulated : withPrices(emulated, prices);
    },
  };
}

/** A store with prices has no waits that cost nothing. */
function withPrices<S extends Channel>(inner: S, prices: RequestPrices): S {
  return layered<Channel>(inner, {
    capabilities: { ...inner.capabilities, prices, blockingWait: false },
  }) as S;
}

function pricesOf(store: string): RequestPrices {
  if (Object.hasOwn(REQUEST_PRICES, store)) return REQUEST_PRICES[store as keyof typeof REQUEST_PRICES];
  throw invalid(`prices to be one of ${Object.keys(REQUEST_PRICES).join(", ")}`, store);
}

function numberOf(name: string, value: string): number {
  if (!NUMBERS.includes(name)) throw invalid(`one of ${[...NUMBERS, "prices"].join(", ")}`, name);
  const number = value === "" ? NaN : Number(value);
  const most = SHARES.includes(name) ? 1 : Infinity;
  if (number >= 0 && number <= most) return number;
  throw invalid(`${name} to be a number ${most === 1 ? "from 0 to 1" : "from 0"}`, value);
}

function invalid(expected: string, got: string): SltrainError {
  return new SltrainError({
    code: "storage-query-invalid",
    message: `storage: expected behind the question mark ${expected}, but got ${JSON.stringify(got)}`,
    suggestions: ["Write it as in fs:PATH?latencyMs=20&upMBs=50&downMBs=50, or leave it out."],
  });
}
