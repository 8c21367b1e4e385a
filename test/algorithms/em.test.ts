// k-means: against scikit-learn's optimum, and the same whatever the number of ranks.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { kmeansStart } from "../../src/algorithms/kmeans-start.ts";
import { maximise } from "../../src/algorithms/maximise.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { parametersOf, stateOf } from "./crew.ts";
import { cancer, type ConsensusSettings, golden, openConsensusCrew } from "./consensus-crew.ts";

const WIDTH = cancer.featureShape[0]!;
const kmeans = { model: "kmeans", loss: "inertia", algorithm: "em", tolerance: 1e-7 } as const;

/** All steps until convergence: the ranks, and rank 0's outcomes. */
async function train(settings: ConsensusSettings, steps = 100) {
  const crew = await openConsensusCrew(settings);
  const outcomes = await Promise.all(crew.map((member) => member.run(0, steps)));
  for (const others of outcomes) assert.deepEqual(others, outcomes[0]);
  return { crew, outcomes: outcomes[0]! };
}

/** Squared distances to the nearest centroids, in f64. */
function inertiaOf(centroids: Float32Array, clusters: number): number {
  const width = WIDTH;
  let sum = 0;
  for (let row = 0; row < cancer.count; row++) {
    const distances = Array.from({ length: clusters }, (_, cluster) => {
      let distance = 0;
      for (let j = 0; j < width; j++)
        distance += (cancer.features[row * width + j]! - centroids[cluster * width + j]!) ** 2;
      return distance;
    });
    sum += Math.min(...distances);
  }
  return sum / cancer.count;
}

describe("em", () => {
  for (const clusters of [2, 5, 10]) {
    test(`goes from the same ${clusters} centroids where scikit-learn goes, with 1, 2 and 4 ranks`, async () => {
      const start = cancer.features.slice(0, clusters * WIDTH);
      for (const worldSize of [1, 2, 4]) {
        const { crew, outcomes } = await train({
          ...{ ...kmeans, clusters, start, worldSize },
          createDevice: () => createWasmDevice(),
        });
        assert.equal(outcomes.at(-1)!.converged, true);
        const inertia = inertiaOf(await parametersOf(crew[0]!), clusters);
        const expected = golden.inertiaFromFirstRows[clusters]!;
        assert.ok(Math.abs(inertia / expected - 1) < 1e-4, `${inertia}, scikit-learn ${expected}`);
        const [first, ...others] = await Promise.all(crew.map(stateOf));
        for (const other of others) assert.deepEqual(other, first);
      }
    });
  }

  for (const clusters of [2, 3, 5]) {
    test(`finds the best ${clusters} clusters that scikit-learn finds, from one of ten seeds`, async () => {
      const inertias = [];
      for (let seed = 1; seed <= 10; seed++) {
        const { crew } = await train({ ...kmeans, clusters, seed, createDevice: () => createWasmDevice() });
        inertias.push(inertiaOf(await parametersOf(crew[0]!), clusters));
      }
      const [least, optimum] = [Math.min(...inertias), golden.inertia[clusters]!];
      assert.ok(Math.abs(least / optimum - 1) < 1e-4, `${least} where the optimum is ${optimum}`);
    });
  }

  test("never makes the inertia larger", async () => {
    const { outcomes } = await train({ ...kmeans, clusters: 10, worldSize: 2 });
    const inertias = outcomes.map((outcome) => outcome!.loss);
    assert.ok(inertias.length > 3);
    inertias.slice(1).forEach((inertia, i) => assert.ok(inertia <= inertias[i]! * (1 + 1e-6)));
  });

  test("stops where the inertia sinks by less than the tolerance, and not before", async () => {
    const { outcomes } = await train({ ...kmeans, tolerance: 0.01, clusters: 5 });
    const inertias = outcomes.map((outcome) => outcome!.loss);
    const improvements = inertias.slice(1).map((inertia, i) => 1 - inertia / inertias[i]!);
    assert.ok(improvements.pop()! <= 0.01);
    for (const improvement of improvements) assert.ok(improvement > 0.01);
  });

  test("tells how many rows each cluster has, and their inertias", async () => {
    const { crew, outcomes } = await train({ ...kmeans, clusters: 4, worldSize: 3 });
    const { statistics } = (await stateOf(crew[0]!)).shared;
    const [counts, inertias] = crew[0]!.replica.statistics.entries.map(({ offset }) =>
      [...statistics!.subarray(offset, offset + 4)].reduce((sum, value) => sum + value, 0),
    );
    assert.ok(Math.abs(counts! - 1) < 1e-6, "as shares of all rows");
    assert.ok(Math.abs(inertias! / outcomes.at(-1)!.loss - 1) < 1e-5);
  });

  test("goes on from its state with the same bits", async () => {
    const settings = { ...kmeans, clusters: 5, worldSize: 3 };
    const { crew: undisturbed } = await train(settings, 4);
    const { crew: before } = await train(settings, 2);
    const resumed = await openConsensusCrew(settings);
    for (const rank of resumed.keys()) resumed[rank]!.algorithm.restore(await stateOf(before[rank]!));
    await Promise.all(resumed.map((member) => member.run(2, 4)));
    for (const rank of resumed.keys())
      assert.deepEqual(await stateOf(resumed[rank]!), await stateOf(undisturbed[rank]!));
  });

  test("works with more ranks than rows", async () => {
    const { crew } = await train({ ...kmeans, clusters: 2, rows: 3, worldSize: 5 });
    assert.equal((await parametersOf(crew[4]!)).every(Number.isFinite), true);
  });
});

describe("the start of k-means", () => {
  test("takes rows of the sample, each once, by the seed", () => {
    const width = WIDTH;
    const start = kmeansStart(cancer.features, width, { clusters: 20, seed: 7 });
    const rowsAt = (values: Float32Array, row: number) =>
      values.subarray(row * width, (row + 1) * width).join();
    const all = new Set(Array.from({ length: cancer.count }, (_, row) => rowsAt(cancer.features, row)));
    const taken = new Set(Array.from({ length: 20 }, (_, cluster) => rowsAt(start, cluster)));
    assert.equal(taken.size, 20);
    for (const row of taken) assert.ok(all.has(row));
    assert.deepEqual(kmeansStart(cancer.features, width, { clusters: 20, seed: 7 }), start);
    assert.notDeepEqual(kmeansStart(cancer.features, width, { clusters: 20, seed: 8 }), start);
  });

  test("has each of some far clusters begin with a row of its own", () => {
    const centres = [0, 100, 200, 300, 400];
    const sample = Float32Array.from({ length: 500 }, (_, row) => centres[row % 5]! + (row % 7) / 7);
    for (let seed = 0; seed < 20; seed++) {
      const start = kmeansStart(sample, 1, { clusters: 5, seed });
      const found = [...start].map((value) => Math.floor(value / 100)).sort();
      assert.deepEqual(found, [0, 1, 2, 3, 4]);
    }
  });

  test("repeats rows where there are fewer of them than clusters", () => {
    const start = kmeansStart(Float32Array.of(1, 1, 2, 2), 2, { clusters: 4, seed: 1 });
    assert.deepEqual(
      [...start].filter((value) => value !== 1 && value !== 2),
      [],
    );
  });
});

describe("a cluster without rows", () => {
  const sums = {
    // The first cluster has no rows, the second one's inertia is the largest.
    rows: Float32Array.of(9, 9, 4, 8, 3, 3),
    counts: Float32Array.of(0, 2, 3),
    inertias: Float32Array.of(0, 16, 1),
  };

  test("takes half of the one with the largest inertia: on either side of its mean, a deviation away", () => {
    const centroids = new Float32Array(6);
    maximise(sums, centroids, { seed: 1, step: 3 });
    const [x0, y0, x1, y1, ...third] = centroids as unknown as [number, number, number, number];
    assert.deepEqual([(x0 + x1) / 2, (y0 + y1) / 2], [2, 4]);
    assert.deepEqual([Math.abs(x0 - x1), Math.abs(y0 - y1)], [4, 4]);
    assert.deepEqual(third, [1, 1]);
  });

  test("goes the same way on every rank", () => {
    const [a, b] = [new Float32Array(6), new Float32Array(6).fill(5)];
    for (const centroids of [a, b]) maximise(sums, centroids, { seed: 1, step: 3 });
    assert.deepEqual(a, b);
  });

  test("stays where it is if no other has any inertia", () => {
    const centroids = Float32Array.of(7, 7, 0, 0, 0, 0);
    maximise({ ...sums, inertias: new Float32Array(3) }, centroids, { seed: 1, step: 3 });
    assert.deepEqual([...centroids], [7, 7, 2, 4, 1, 1]);
  });
});
