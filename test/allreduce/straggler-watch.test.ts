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

test("a rank is slow when its last part came late in six of the last eight rounds, this one among them", () => {
  const inTime = new Set([2, 6, 9, 10, 11]);
  const rounds = watched(18, (round) => [100, 105, inTime.has(round) ? 110 : 300, 95]);
  const named = rounds.flatMap((slow, round) => (slow.length > 0 ? [[round, ...slow]] : []));
  // Late in 0, 1, 3, 4, 5, 7, 8, and from 12 on.
  assert.deepEqual(named, [
    [7, 2],
    [8, 2],
    [17, 2],
  ]);
});

test("of two ranks each says of the other what its own part shows", () => {
  assert.deepEqual(watched(6, () => [100, 300]).at(-1), [1]);
  assert.deepEqual(watched(8, () => [300, 100]).at(-1), []);
});

test("nobody is slow where delays spread as widely, or where little could be won", () => {
  assert.deepEqual(watched(20, () => [100, 220, 160, 40, 250]).flat(), []);
  assert.deepEqual(watched(20, () => [1, 1, 9, 1]).flat(), []);
});

test("of the ranks at most a tenth is slow at a time, one at least", () => {
  const delaysMs = Array.from({ length: 20 }, (_, rank) => (rank > 15 ? 1000 + rank : 100));
  assert.deepEqual(watched(6, () => delaysMs).at(-1), [19, 18]);
  assert.deepEqual([2, 9, 10, 25].map(mostCopies), [1, 1, 1, 2]);
});

test("several buckets of a round count as their last one", () => {
  const watch = new StragglerWatch(0);
  const named = Array.from({ length: 6 }, () => {
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
