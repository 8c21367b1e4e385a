// What a run has cost at AWS's list prices, from what its functions were billed for: memory times time, invocations and
// requests, objects by how long they lie. On another machine it is what the same use would have cost there.

import { AWS_PRICES, type LambdaArchitecture } from "./lambda-cost.ts";

/** US dollars. */
export interface RunCost {
  readonly compute: number;
  /** To stores, and invocations. */
  readonly requests: number;
  readonly storage: number;
  readonly total: number;
}

/** What one invocation is billed for. */
export interface BilledUse {
  readonly billedMs: number;
  readonly memoryMiB: number;
  readonly architecture: LambdaArchitecture;
  /** Of its requests to stores. */
  readonly requestsUsd: number;
}

/** Objects that lie in a store, and what that costs. */
export interface HeldObjects {
  readonly bytes: number;
  readonly ms: number;
  readonly gibMonthUsd: number;
}

export const NO_COST: RunCost = { compute: 0, requests: 0, storage: 0, total: 0 };

const MS_PER_MONTH = 30 * 24 * 3600 * 1000;

/** Lambda's GB are GiB, and its time counts in whole milliseconds: https://aws.amazon.com/lambda/pricing/ */
export function gbSecondsOf({ billedMs, memoryMiB }: Pick<BilledUse, "billedMs" | "memoryMiB">): number {
  return (Math.ceil(billedMs) / 1000) * (memoryMiB / 1024);
}

export function runCost(uses: readonly BilledUse[], held: readonly HeldObjects[]): RunCost {
  const { gibSecondUsd, invocationUsd } = AWS_PRICES.lambda;
  const compute = sum(uses, (use) => gbSecondsOf(use) * gibSecondUsd[use.architecture]);
  const requests = sum(uses, ({ requestsUsd }) => invocationUsd + requestsUsd);
  const storage = sum(
    held,
    ({ bytes, ms, gibMonthUsd }) => (bytes / 2 ** 30) * (ms / MS_PER_MONTH) * gibMonthUsd,
  );
  return { compute, requests, storage, total: compute + requests + storage };
}

export function addCost(a: RunCost, b: RunCost): RunCost {
  return {
    compute: a.compute + b.compute,
    requests: a.requests + b.requests,
    storage: a.storage + b.storage,
    total: a.total + b.total,
  };
}

function sum<T>(all: readonly T[], pick: (one: T) => number): number {
  return all.reduce((total, one) => total + pick(one), 0);
}
