import assert from "node:assert/strict";
import { test } from "node:test";
import { ZstdTrial } from "../../src/shard/zstd-trial.ts";

/** Whether each of so many rounds compressed. */
function run(
  trial: ZstdTrial,
  rounds: number,
  cost: (compresses: boolean, round: number) => number,
): boolean[] {
  return Array.from({ length: rounds }, (_, round) => {
    const { compresses } = trial;
    trial.ended(cost(compresses, round));
    return compresses;
  });
}

test("after a trial of both, the cheaper one stays", () => {
  for (const cheaper of [true, false]) {
    const trial = new ZstdTrial("auto");
    const tried = run(trial, 20, (compresses) => (compresses === cheaper ? 8 : 10));
    assert.equal(tried.filter(Boolean).length, 10);
    const later = run(trial, 40, () => 9);
    assert.ok(later.every((compresses) => compresses === cheaper));
    assert.deepEqual(trial.verdict, {
      compresses: cheaper,
      costs: { compressed: cheaper ? 8 : 10, plain: cheaper ? 10 : 8 },
    });
  }
});

test("a few slow rounds, and those in which the kind changes, decide nothing", () => {
  const trial = new ZstdTrial("auto");
  run(trial, 20, (compresses, round) =>
    round % 5 === 0 ? 1000 : round % 7 === 0 ? 90 : compresses ? 8 : 10,
  );
  assert.equal(trial.verdict.compresses, true);
});

test("what saves nothing worth it is not done", () => {
  const trial = new ZstdTrial("auto");
  run(trial, 20, (compresses) => (compresses ? 9.9 : 10));
  assert.equal(trial.verdict.compresses, false);
});

test("a new trial can change the verdict, at first soon, later after 480 rounds", () => {
  const trial = new ZstdTrial("auto");
  run(trial, 60, (compresses) => (compresses ? 10 : 5));
  assert.equal(trial.verdict.compresses, false);
  run(trial, 120 + 240, (compresses) => (compresses ? 5 : 10));
  assert.equal(trial.verdict.compresses, true);
  run(trial, 20, (compresses) => (compresses ? 10 : 5));
  assert.equal(trial.verdict.compresses, false);
});

test("on and off are not tried", () => {
  assert.ok(run(new ZstdTrial("on"), 30, () => 1).every(Boolean));
  assert.ok(!run(new ZstdTrial("off"), 30, () => 1).some(Boolean));
});
