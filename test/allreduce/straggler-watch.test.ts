import assert from "node:assert/strict";
import { test } from "node:test";
import { mostCopies, StragglerWatch } from "../../src/allreduce/straggler-watch.ts";

/** What each of `rounds` rounds with these delays by rank ends with, watched by rank 0. */
function watched(rounds: number, delaysMs: (round: number) => readonly number[]): number[][] {
  const watch = new StragglerWatch(0);
  return Array.from({ length: rounds }, (_, round) => {
    for (const [rank, delayMs] of delaysMs(round).entries()) watch.note(rank, delayMs);
    return watch.ended();
  });
}

test("a rank is slow when its last part came late for eight rounds in a row, and no longer when one comes in time", () => {
  const rounds = watched(18, (round) => [100, 105, round === 9 ? 110 : 300, 95]);
  const named = rounds.flatMap((slow, round) => (slow.length > 0 ? [[round, ...slow]] : []));
  assert.deepEqual(named, [
    [7, 2],
    [8, 2],
    [17, 2],
  ]);
});

test("of two ranks each says of the other what its own part shows", () => {
  assert.deepEqual(watched(8, () => [100, 300]).at(-1), [1]);
  assert.deepEqual(watched(8, () => [300, 100]).at(-1), []);
});

test("nobody is slow where delays spread as widely, or where little could be won", () => {
  assert.deepEqual(watched(20, () => [100, 220, 160, 40, 250]).flat(), []);
  assert.deepEqual(watched(20, () => [1, 1, 9, 1]).flat(), []);
});

test("of the ranks at most a tenth is slow at a time, one at least", () => {
  const delaysMs = Array.from({ length: 20 }, (_, rank) => (rank > 15 ? 1000 + rank : 100));
  assert.deepEqual(watched(8, () => delaysMs).at(-1), [19, 18]);
  assert.deepEqual([2, 9, 10, 25].map(mostCopies), [1, 1, 1, 2]);
});

test("several buckets of a round count as their last one", () => {
  const watch = new StragglerWatch(0);
  const named = Array.from({ length: 8 }, () => {
    for (const [rank, delayMs] of [
      [0, 10],
      [1, 200],
      [1, 20],
      [0, 30],
    ] as const)
      watch.note(rank, delayMs);
    return watch.ended();
  });
  assert.deepEqual(named.at(-1), [1]);
});
