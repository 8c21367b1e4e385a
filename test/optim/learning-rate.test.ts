import assert from "node:assert/strict";
import { test } from "node:test";
import { learningRateAt } from "../../src/optim/learning-rate.ts";

const peak = 0.8;

function assertClose(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);
}

test("a constant rate stays at its peak", () => {
  for (const step of [0, 1, 99])
    assert.equal(learningRateAt({ peak, schedule: "constant", warmupSteps: 0 }, step, 100), peak);
});

test("a cosine falls from the peak through one half to zero", () => {
  const rate = { peak, schedule: "cosine", warmupSteps: 0 } as const;
  assertClose(learningRateAt(rate, 0, 100), peak);
  assertClose(learningRateAt(rate, 50, 100), peak / 2);
  assertClose(learningRateAt(rate, 100, 100), 0);
  assertClose(learningRateAt(rate, 150, 100), 0);
});

test("steps divide the rate by ten after each third of the run", () => {
  const rate = { peak, schedule: "step", warmupSteps: 0 } as const;
  const rates = [0, 29, 30, 59, 60, 90].map((step) => learningRateAt(rate, step, 90));
  [peak, peak, peak / 10, peak / 10, peak / 100, peak / 100].forEach((expected, i) =>
    assertClose(rates[i]!, expected),
  );
});

test("warm-up rises linearly to the peak, and the schedule counts from its end", () => {
  const rate = { peak, schedule: "cosine", warmupSteps: 4 } as const;
  [0.2, 0.4, 0.6, 0.8, 0.8].forEach((expected, step) =>
    assertClose(learningRateAt(rate, step, 104), expected),
  );
  assertClose(learningRateAt(rate, 54, 104), peak / 2);
});
