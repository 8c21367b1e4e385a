import assert from "node:assert/strict";
import { test } from "node:test";
import { exactLayers, mergeLatencyTm } from "../../src/allreduce/patterns/merge-layers.ts";
import { planMergeTree } from "../../src/plan/merge-tree.ts";

/** The least [latency, mergers] over every non-decreasing list of at most `maxLayers` merger layers. */
function bruteForce(workers: number, maxLayers: number): [number, number] {
  let best: [number, number] = [workers, 0];
  const extend = (layers: number[], mergers: number): void => {
    const latencyTm = mergeLatencyTm([...layers, workers]);
    if (latencyTm < best[0] || (latencyTm === best[0] && mergers < best[1])) best = [latencyTm, mergers];
    if (layers.length > maxLayers) return;
    for (let next = Math.max(2, layers.at(-1)!); next < workers; next++)
      extend([...layers, next], mergers + next);
  };
  extend([1], 0);
  return best;
}

test("100 workers give the paper's layers, and the exact optima beside them", () => {
  assert.deepEqual(planMergeTree({ workers: 100 }), {
    workers: 100,
    layers: [1, 5, 22, 100],
    latencyTm: 15,
    exact: [
      { maxLayers: 2, layers: [1, 4, 20, 100], latencyTm: 14 },
      { maxLayers: 3, layers: [1, 3, 9, 25, 100], latencyTm: 13 },
    ],
    flat: { layers: [1, 100], latencyTm: 100 },
  });
});

test("one to four workers are merged by the root alone", () => {
  for (const workers of [1, 2, 3, 4]) {
    const plan = planMergeTree({ workers });
    for (const tree of [plan, plan.flat, ...plan.exact]) {
      assert.deepEqual([tree.layers, tree.latencyTm], [[1, workers], workers]);
    }
  }
});

test("perfect powers have equal fan-ins", () => {
  assert.deepEqual(planMergeTree({ workers: 1000 }).layers, [1, 10, 100, 1000]);
  assert.deepEqual(planMergeTree({ workers: 81, maxLayers: 3 }).layers, [1, 3, 9, 27, 81]);
});

test("the depth is the one that minimises the closed form's latency, not the deepest that is allowed", () => {
  // For n = 9, (k+1) n^(1/(k+1)) is 9, 6 and 6.24 at k = 0, 1 and 2.
  assert.deepEqual(planMergeTree({ workers: 9 }).layers, [1, 3, 9]);
  assert.deepEqual(planMergeTree({ workers: 100, maxLayers: 50 }).layers, [1, 3, 6, 16, 40, 100]);
});

test("without merger layers, the plan is the flat tree", () => {
  assert.deepEqual(planMergeTree({ workers: 100, maxLayers: 0 }).layers, [1, 100]);
});

test("a depth that is asked for joins the exact optima, in order", () => {
  const depths = (maxLayers: number): number[] =>
    planMergeTree({ workers: 64, maxLayers }).exact.map((e) => e.maxLayers);
  assert.deepEqual(depths(3), [2, 3]);
  assert.deepEqual(depths(1), [1, 2, 3]);
  assert.deepEqual(depths(5), [2, 3, 5]);
});

test("the exact layers are optimal in latency, then in mergers, by brute force up to 60 workers", () => {
  for (const maxLayers of [0, 1, 2, 3]) {
    for (let workers = 1; workers <= 60; workers++) {
      const layers = exactLayers(workers, maxLayers);
      const mergers = layers.slice(1, -1).reduce((sum, count) => sum + count, 0);
      const where = `${workers} workers, at most ${maxLayers} layers: ${layers.join(" ")}`;
      assert.deepEqual([mergeLatencyTm(layers), mergers], bruteForce(workers, maxLayers), where);
      assert.equal(layers[0], 1, where);
      assert.equal(layers.at(-1), workers, where);
      assert.ok(layers.length <= maxLayers + 2, where);
    }
  }
});

test("100,000 workers at any depth are no worse than the closed form", () => {
  for (const maxLayers of [2, 3, 20]) {
    const plan = planMergeTree({ workers: 100_000, maxLayers });
    const exact = plan.exact.find((tree) => tree.maxLayers === maxLayers)!;
    assert.ok(exact.latencyTm <= plan.latencyTm);
    assert.equal(exact.latencyTm, mergeLatencyTm(exact.layers));
  }
});

test("t_m turns every latency into milliseconds", () => {
  const plan = planMergeTree({ workers: 100, tmMs: 50 });
  assert.deepEqual(
    [plan, ...plan.exact, plan.flat].map((tree) => tree.latencyMs),
    [750, 700, 650, 5000],
  );
});

test("numbers out of range are refused with what was expected and what came", () => {
  const cases: [Parameters<typeof planMergeTree>[0], RegExp][] = [
    [{ workers: 0 }, /expected workers to be a whole number from 1 to 1000000, got 0/],
    [{ workers: 2.5 }, /got 2\.5/],
    [{ workers: 1e9 }, /got 1000000000/],
    [{ workers: NaN }, /got NaN/],
    [{ workers: 4, maxLayers: -1 }, /expected max-layers to be a whole number from 0, got -1/],
    [{ workers: 4, tmMs: 0 }, /expected tm-ms to be a number above 0, got 0/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => planMergeTree(options), { code: "plan-bad-number", message });
  }
});
