import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SampleSchedule } from "../../src/algorithms/sample-schedule.ts";

function schedules(worldSize: number, holdsAll: boolean) {
  return Array.from(
    { length: worldSize },
    (_, rank) => new SampleSchedule({ count: 103, batchSize: 10, seed: 7, rank, worldSize, holdsAll }),
  );
}

/** Rows of the split that the ranks train on in one step, in rank order. */
function batchOf(ranks: readonly SampleSchedule[], step: number): number[] {
  return ranks.flatMap((schedule) => {
    const { order, begin, end } = schedule.share(step);
    return [...order.subarray(begin, end)].map((row) => row + schedule.rows.begin);
  });
}

describe("SampleSchedule", () => {
  for (const holdsAll of [true, false]) {
    for (const worldSize of [1, 2, 3, 8]) {
      test(`${worldSize} ranks that hold ${holdsAll ? "all rows" : "their part"} see every row once an epoch`, () => {
        const ranks = schedules(worldSize, holdsAll);
        const { stepsPerEpoch } = ranks[0]!;
        assert.equal(stepsPerEpoch, 11);
        for (const epoch of [0, 1]) {
          const rows: number[] = Array.from({ length: stepsPerEpoch }, (_, i) =>
            batchOf(ranks, epoch * stepsPerEpoch + i),
          ).flat();
          assert.deepEqual(
            rows.sort((a, b) => a - b),
            Array.from({ length: 103 }, (_, i) => i),
          );
        }
      });

      test(`${worldSize} ranks that hold ${holdsAll ? "all rows" : "their part"} number a batch's samples without gaps`, () => {
        const ranks = schedules(worldSize, holdsAll);
        for (let step = 0; step < ranks[0]!.stepsPerEpoch; step++) {
          let expected = 0;
          for (const schedule of ranks) {
            const { begin, end, sampleOffset } = schedule.share(step);
            assert.equal(sampleOffset, expected);
            assert.ok(end - begin <= schedule.largestShare);
            expected += end - begin;
          }
        }
      });
    }
  }

  test("batches are the same rows in the same order for any number of ranks that hold all", () => {
    const one = schedules(1, true);
    for (const worldSize of [2, 3, 8]) {
      const ranks = schedules(worldSize, true);
      for (let step = 0; step < 22; step++) assert.deepEqual(batchOf(ranks, step), batchOf(one, step));
    }
  });

  test("epochs have different orders", () => {
    const one = schedules(1, true);
    assert.notDeepEqual(batchOf(one, 0), batchOf(one, 11));
  });
});
