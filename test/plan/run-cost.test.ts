import assert from "node:assert/strict";
import { test } from "node:test";
import { addCost, gbSecondsOf, NO_COST, runCost } from "../../src/plan/run-cost.ts";

const use = { billedMs: 999.2, memoryMiB: 2048, architecture: "x86_64", requestsUsd: 0.25 } as const;

test("a started millisecond is billed whole, by the memory of the function", () => {
  assert.equal(gbSecondsOf(use), 2);
});

test("a run costs its functions' time, their invocations and requests, and what lies in the store", () => {
  const month = { bytes: 2 ** 31, ms: 30 * 24 * 3600 * 1000, gibMonthUsd: 0.023 };
  const cost = runCost([use, { ...use, architecture: "arm64" }], [month]);
  const near = (got: number, expected: number) => assert.ok(Math.abs(got - expected) < 1e-12, `${got}`);
  near(cost.compute, 2 * 1.66667e-5 + 2 * 1.33334e-5);
  near(cost.requests, 0.5 + 2 * 0.2e-6);
  near(cost.storage, 0.046);
  near(cost.total, cost.compute + cost.requests + cost.storage);
  assert.deepEqual(addCost(cost, NO_COST), cost);
});
