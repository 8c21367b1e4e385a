import assert from "node:assert/strict";
import { test } from "node:test";
import { learningRateAt, parseSchedule } from "../../src/optim/learning-rate.ts";

const peak = 0.8;

function assertClose(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`);
}

test("a constant rate stays at its peak", () => {
  for (const step of [0, 1, 99])
    assert.equal(
      learningRateAt({ peak, course: parseSchedule("constant"), warmupSteps: 0 }, step, 100),
      peak,
    );
});

test("a cosine falls from the peak through one half to zero", () => {
  const rate = { peak, course: parseSchedule("cosine"), warmupSteps: 0 };
  assertClose(learningRateAt(rate, 0, 100), peak);
  assertClose(learningRateAt(rate, 50, 100), peak / 2);
  assertClose(learningRateAt(rate, 100, 100), 0);
  assertClose(learningRateAt(rate, 150, 100), 0);
});

test("steps divide the rate by ten after each third of the run", () => {
  const rate = { peak, course: parseSchedule("step"), warmupSteps: 0 };
  const rates = [0, 29, 30, 59, 60, 90].map((step) => learningRateAt(rate, step, 90));
  [peak, peak, peak / 10, peak / 10, peak / 100, peak / 100].forEach((expected, i) =>
    assertClose(rates[i]!, expected),
  );
});

test("warm-up rises linearly to the peak, and the schedule counts from its end", () => {
  const rate = { peak, course: parseSchedule("cosine"), warmupSteps: 4 };
  [0.2, 0.4, 0.6, 0.8, 0.8].forEach((expected, step) =>
    assertClose(learningRateAt(rate, step, 104), expected),
  );
  assertClose(learningRateAt(rate, 54, 104), peak / 2);
});

test("milestones are shares of the run, or epochs", () => {
  const rateAt = (schedule: string, epoch: number): number =>
    learningRateAt({ peak, course: parseSchedule(schedule), warmupSteps: 0 }, 10 * epoch, 1000, 10);
  for (const schedule of ["step:50%,75%", "step:50,75"]) {
    const rates = [0, 49, 50, 74, 75, 99].map((epoch) => rateAt(schedule, epoch));
    [1, 1, 0.1, 0.1, 0.01, 0.01].forEach((share, i) => assertClose(rates[i]!, peak * share));
  }
});

test("an exponential leaves a share of the rate after each epoch, a polynomial ends at zero", () => {
  const rateAt = (schedule: string, step: number): number =>
    learningRateAt({ peak, course: parseSchedule(schedule), warmupSteps: 0 }, step, 100, 10);
  assertClose(rateAt("exponential:0.5", 30), peak / 8);
  assertClose(rateAt("exponential:0.5", 35), peak * 0.5 ** 3.5);
  assertClose(rateAt("polynomial", 75), peak / 4);
  assertClose(rateAt("polynomial:2", 75), peak / 16);
  assertClose(rateAt("polynomial:2", 100), 0);
});

test("SIREN's rate falls with the root of the epoch's number, or of each so many steps'", () => {
  const rateAt = (schedule: string, step: number): number =>
    learningRateAt({ peak, course: parseSchedule(schedule), warmupSteps: 0 }, step, 100, 10);
  assertClose(rateAt("inverse-sqrt", 9), peak);
  assertClose(rateAt("inverse-sqrt", 39), peak / 2);
  assertClose(rateAt("inverse-sqrt:1", 8), peak / 3);
});

test("a schedule that is none is refused with the forms that are", () => {
  for (const spec of ["cosin", "cosine:2", "step:75%,50%", "step:100%", "step:1,50%", "polynomial:0"])
    assert.throws(() => parseSchedule(spec), { code: "schedule-invalid", message: /step\[:50%,75%/ }, spec);
});
