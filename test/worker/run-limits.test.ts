import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_COST } from "../../src/plan/run-cost.ts";
import type { Attempt } from "../../src/run/attempts.ts";
import { RunLimits } from "../../src/worker/run-limits.ts";
import { decisionOf, voteFor } from "../../src/worker/stop-vote.ts";

const START_MS = Date.parse("2026-11-24T06:00:00Z");
const USD_PER_GB_SECOND = 1.66667e-5;

/** Ten workers of 1 GiB whose requests cost as much as their time, `seconds` after their crew's start. */
function limitsAt(limits: Partial<Attempt>) {
  let seconds = 0;
  const record: Attempt = {
    ...{ at: new Date(START_MS).toISOString(), storage: "memory:x", channel: "memory:x" },
    ...{ workers: 10, before: NO_COST, ...limits },
  };
  // It began a second after the crew.
  const usage = () => ({
    ...{ initMs: 0, billedMs: (seconds - 1) * 1000, memoryMiB: 1024, architecture: "x86_64" as const },
    requestsUsd: (seconds - 1) * USD_PER_GB_SECOND,
  });
  const run = new RunLimits({ record, usage, nowMs: () => START_MS + seconds * 1000 });
  return { run, at: (now: number) => (seconds = now) };
}

test("a run's cost is that of all workers since the crew's start, and of the crews before", () => {
  const { run, at } = limitsAt({ before: { ...NO_COST, total: 1 } });
  at(101);
  const expected = 1 + 10 * (2 * 101 * USD_PER_GB_SECOND + 0.2e-6);
  assert.ok(Math.abs(run.spentUsd() - expected) < 1e-9, `${run.spentUsd()}`);
});

test("the vote comes while there is time for the exchange that carries it and one more", () => {
  const { run, at } = limitsAt({ deadlineAt: new Date(START_MS + 100_000).toISOString() });
  for (const seconds of [10, 15, 20, 85]) {
    at(seconds);
    run.exchanged();
    assert.equal(run.reached(), seconds < 85 ? undefined : "deadline-reached");
  }
});

test("a budget is reached before it is passed", () => {
  const { run, at } = limitsAt({ budgetUsd: 10 * 2 * 100 * USD_PER_GB_SECOND });
  for (const seconds of [10, 20, 70, 90]) {
    at(seconds);
    if (seconds !== 90) run.exchanged();
    // The longest step so far took 50 s.
    assert.equal(run.reached(), seconds < 70 ? undefined : "budget-reached", `${seconds}`);
  }
});

test("whatever the number of ranks that ask for a stop, the reason that weighs most is told", () => {
  assert.equal(decisionOf(0), undefined);
  assert.equal(decisionOf(10_000 * voteFor("stop-requested")), "stop-requested");
  assert.equal(decisionOf(9_999 + voteFor("deadline-reached")), "deadline-reached");
  assert.equal(decisionOf(9_999 + voteFor("budget-reached")), "budget-reached");
});
