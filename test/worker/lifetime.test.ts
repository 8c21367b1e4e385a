import assert from "node:assert/strict";
import { test } from "node:test";
import { Lifetime, type LifetimeOptions } from "../../src/worker/lifetime.ts";

/** Of a rank whose steps took 3 ms, with as much of the run left as nobody gets done. */
function lifeLeft(remainingMs: number, options: Partial<LifetimeOptions> = {}): Lifetime {
  return new Lifetime({
    ...{ remainingMs: () => remainingMs, startMs: 100, stateBytes: 0, stateMs: () => 1 },
    ...{ validationMs: () => 10, before: { stepMs: 3, epochEndMs: 10 }, mayInterrupt: true },
    ...options,
  });
}

const needsSuccessor = (life: Lifetime): boolean => life.needsSuccessor(100_000, 1000);

test("a successor is on its way before a wait inside a step would be given up, by as much as two starts take", () => {
  for (const startMs of [100, 400])
    for (const stateMs of [1, 300]) {
      const { lastMs } = lifeLeft(0, { stateMs: () => stateMs });
      const of = (remainingMs: number): Lifetime =>
        lifeLeft(remainingMs, { startMs, stateMs: () => stateMs });
      const leadMs = 2 * startMs;
      assert.ok(needsSuccessor(of(lastMs + leadMs - 1)), `start ${startMs} ms, state ${stateMs} ms`);
      assert.ok(!needsSuccessor(of(lastMs + leadMs + 200)), `start ${startMs} ms, state ${stateMs} ms`);
    }
});

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

test("a run that ends in time needs no successor", () => {
  assert.ok(!lifeLeft(600).needsSuccessor(10, 1));
});
