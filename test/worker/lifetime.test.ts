import assert from "node:assert/strict";
import { test } from "node:test";
import { Lifetime, type LifetimeOptions } from "../../src/worker/lifetime.ts";

/** Of a rank whose steps took 3 ms. */
function lifeLeft(remainingMs: number, options: Partial<LifetimeOptions> = {}): Lifetime {
  return new Lifetime({
    ...{ remainingMs: () => remainingMs, stateBytes: 0, stateMs: () => 1 },
    ...{ validationMs: () => 10, before: { stepMs: 3, epochEndMs: 10 }, mayInterrupt: true },
    ...options,
  });
}

test("the state is handed over at a step's end as soon as a wait would be given up, and not before", () => {
  assert.ok(lifeLeft(499).isOver(false));
  assert.ok(!lifeLeft(501).isOver(false));
});

test("what writes slowly keeps three writes free; what loses a step if it is interrupted, two steps as well", () => {
  assert.equal(lifeLeft(0).lastMs, 500);
  assert.equal(lifeLeft(0, { stateMs: () => 400 }).lastMs, 1200);
  const long = { before: { stepMs: 1000, epochEndMs: 10 } };
  assert.ok(!lifeLeft(2000, long).isOver(false));
  assert.ok(lifeLeft(2000, { ...long, mayInterrupt: false }).isOver(false));
});
