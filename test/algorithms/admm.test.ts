// Consensus ADMM: against the optima of scikit-learn's solvers, with any number of ranks.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { lbfgs } from "../../src/algorithms/lbfgs.ts";
import { proximal } from "../../src/algorithms/proximal.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { RandomStream } from "../../src/random.ts";
import { parametersOf, stateOf } from "./crew.ts";
import { cancer, type ConsensusSettings, golden, openConsensusCrew } from "./consensus-crew.ts";

const WIDTH = cancer.featureShape[0]!;

const { weightDecay, l1 } = golden;
/** The intercept has no penalty, as scikit-learn's has none. */
const admm = { algorithm: "admm", tolerance: 1e-4, decayExcept: "vectors" } as const;
const logistic = { model: "lr", loss: "sigmoid-cross-entropy" } as const;
const squaredHinge = { model: "svm", loss: "squared-hinge" } as const;

async function train(settings: ConsensusSettings, steps = 200) {
  const crew = await openConsensusCrew(settings);
  const outcomes = await Promise.all(crew.map((member) => member.run(0, steps)));
  for (const others of outcomes) assert.deepEqual(others, outcomes[0]);
  return { crew, outcomes: outcomes[0]! };
}

/** In f64: the mean loss of the margins, and the penalties of the weights. */
function objectiveOf(
  parameters: Float32Array,
  loss: (margin: number) => number,
  l1: number,
  l2: number,
): number {
  const weights = parameters.subarray(0, WIDTH);
  const intercept = parameters[64]!;
  let sum = 0;
  for (let row = 0; row < cancer.count; row++) {
    let score = intercept;
    for (let j = 0; j < WIDTH; j++) score += weights[j]! * cancer.features[row * WIDTH + j]!;
    sum += loss(cancer.labels[row] === 1 ? score : -score);
  }
  const squares = weights.reduce((total, weight) => total + weight ** 2, 0);
  const sizes = weights.reduce((total, weight) => total + Math.abs(weight), 0);
  return sum / cancer.count + l1 * sizes + (l2 / 2) * squares;
}

const logLoss = (margin: number) => Math.log1p(Math.exp(-margin));
const squared = (margin: number) => Math.max(0, 1 - margin) ** 2;

describe("admm", () => {
  for (const worldSize of [1, 2, 4]) {
    const cases = [
      {
        name: "logistic regression",
        settings: { ...logistic, weightDecay },
        loss: logLoss,
        l1: 0,
        l2: weightDecay,
        optimum: golden.logistic,
      },
      {
        name: "logistic regression with an L1 penalty",
        settings: { ...logistic, l1 },
        loss: logLoss,
        l1,
        l2: 0,
        optimum: golden.logisticL1,
      },
      {
        name: "the squared hinge",
        settings: { ...squaredHinge, weightDecay },
        loss: squared,
        l1: 0,
        l2: weightDecay,
        optimum: golden.squaredHinge,
      },
    ];
    for (const { name, settings, loss, l1, l2, optimum } of cases) {
      test(`finds scikit-learn's optimum of ${name} with ${worldSize} ranks`, async () => {
        const { crew, outcomes } = await train({
          ...admm,
          ...settings,
          worldSize,
          createDevice: () => createWasmDevice(),
        });
        const found = objectiveOf(await parametersOf(crew[0]!), loss, l1, l2);
        assert.ok(Math.abs(found - optimum) < 1e-4, `${found} where the optimum is ${optimum}`);
        assert.equal(outcomes.at(-1)!.converged, true);
      });
    }
  }

  test("has exact zeros where scikit-learn's L1 penalty has them", async () => {
    const { crew } = await train({ ...admm, ...logistic, l1, worldSize: 2 });
    const weights = (await parametersOf(crew[0]!)).subarray(0, WIDTH);
    assert.equal(weights.filter((weight) => weight !== 0).length, golden.nonZerosL1);
  });

  test("comes with its default tolerance within 0.001 of the optimum", async () => {
    const { crew, outcomes } = await train({
      ...admm,
      ...logistic,
      weightDecay,
      tolerance: 1e-3,
      worldSize: 4,
    });
    const found = objectiveOf(await parametersOf(crew[0]!), logLoss, 0, weightDecay);
    assert.ok(found - golden.logistic < 1e-3, `${found} where the optimum is ${golden.logistic}`);
    assert.ok(outcomes.length < 25, `${outcomes.length} rounds`);
  });

  test("tells residuals that shrink to nothing, those of what the ranks hold", async () => {
    const { crew, outcomes } = await train({ ...admm, ...logistic, weightDecay, worldSize: 3 }, 12);
    const { primal, dual } = outcomes.at(-1)!.residuals!;
    assert.ok(primal < outcomes[1]!.residuals!.primal / 10 && dual < outcomes[1]!.residuals!.dual / 10);
    // What no rank sends: the mean of the ranks' own duals, weighted by their rows.
    const states = await Promise.all(crew.map(stateOf));
    const shares = [189, 190, 190].map((rows) => rows / cancer.count);
    const meanU = states[0]!.shared["admm.mean-u"]!;
    const largest = Math.max(...meanU.map(Math.abs));
    meanU.forEach((value, i) => {
      const mean = states.reduce((sum, { own }, rank) => sum + shares[rank]! * own["admm.u"]![i]!, 0);
      assert.ok(Math.abs(value - mean) < 1e-4 * largest, `${value} where the mean is ${mean}`);
    });
  });

  test("gives the same bits whatever the timing, and goes on from its state with them", async () => {
    const settings = { ...admm, ...logistic, weightDecay, worldSize: 3 };
    const { crew: undisturbed } = await train(settings, 4);
    const { crew: before } = await train(settings, 2);
    const resumed = await openConsensusCrew(settings);
    for (const rank of resumed.keys()) resumed[rank]!.algorithm.restore(await stateOf(before[rank]!));
    await Promise.all(
      resumed.map((member, rank) => {
        const random = new RandomStream(rank, "delay");
        return member.run(2, 4, () => setTimeout(3 * random.nextUniform()));
      }),
    );
    for (const rank of resumed.keys())
      assert.deepEqual(await stateOf(resumed[rank]!), await stateOf(undisturbed[rank]!));
    const [first, ...others] = await Promise.all(resumed.map(stateOf));
    for (const { shared } of others) assert.deepEqual(shared, first!.shared);
  });

  test("reaches the optimum from the state of a crew of another size", async () => {
    const settings = { ...admm, ...logistic, weightDecay };
    const { crew: before } = await train({ ...settings, worldSize: 3 }, 5);
    const crew = await openConsensusCrew({ ...settings, worldSize: 2 });
    for (const rank of crew.keys()) crew[rank]!.algorithm.restore(await stateOf(before[rank]!));
    const outcomes = await Promise.all(crew.map((member) => member.run(5, 200)));
    assert.equal(outcomes[0]!.at(-1)!.converged, true);
    const found = objectiveOf(await parametersOf(crew[0]!), logLoss, 0, weightDecay);
    assert.ok(Math.abs(found - golden.logistic) < 1e-4);
  });

  test("works with more ranks than rows", async () => {
    const { crew } = await train({ ...admm, ...logistic, weightDecay, rows: 3, worldSize: 5 }, 5);
    assert.ok((await parametersOf(crew[4]!)).every(Number.isFinite));
  });
});

describe("lbfgs", () => {
  test("finds the minimum of Rosenbrock's function in ten dimensions", async () => {
    const { x, value } = await lbfgs(
      (x) => {
        let value = 0;
        const gradient = new Float64Array(x.length);
        for (let i = 0; i + 1 < x.length; i++) {
          const [a, b] = [x[i + 1]! - x[i]! ** 2, 1 - x[i]!];
          value += 100 * a ** 2 + b ** 2;
          gradient[i]! -= 400 * a * x[i]! + 2 * b;
          gradient[i + 1]! += 200 * a;
        }
        return Promise.resolve({ value, gradient });
      },
      new Float64Array(10).fill(-0.5),
      { gradientShare: 1e-10, evaluations: 500 },
    );
    assert.ok(value < 1e-12);
    for (const coordinate of x) assert.ok(Math.abs(coordinate - 1) < 1e-6);
  });

  test("finds its way along the edges of what has no gradient there", async () => {
    // |x| + 3 |y - x|, whose minimum is at the corner (0, 0).
    const { value } = await lbfgs(
      ([x, y]) => {
        const [a, b] = [x!, y! - x!];
        const gradient = Float64Array.of(Math.sign(a) - 3 * Math.sign(b), 3 * Math.sign(b));
        return Promise.resolve({ value: Math.abs(a) + 3 * Math.abs(b), gradient });
      },
      Float64Array.of(4, -7),
      { gradientShare: 1e-10, evaluations: 300 },
    );
    assert.ok(value < 1e-3, String(value));
  });

  test("asks no more often than it may", async () => {
    let asked = 0;
    const bowl = (x: Float64Array) => {
      asked++;
      const value = x.reduce((sum, coordinate, i) => sum + (i + 1) * coordinate ** 4, 0);
      return Promise.resolve({ value, gradient: x.map((coordinate, i) => 4 * (i + 1) * coordinate ** 3) });
    };
    await lbfgs(bowl, new Float64Array(20).fill(3), { gradientShare: 1e-12, evaluations: 7 });
    assert.equal(asked, 7);
  });
});

test("a penalty's step is the minimum of what it is the minimum of", () => {
  const rho = 2;
  for (const [l1, l2] of [
    [0, 0.5],
    [0.8, 0],
    [0.8, 0.5],
  ] as const) {
    for (const v of [-3, -0.2, 0, 0.39, 0.41, 5]) {
      const point = Float32Array.of(v, v);
      proximal(point, { l1, l2, ranges: [{ begin: 0, end: 1 }] }, rho);
      const cost = (z: number) => l1 * Math.abs(z) + (l2 / 2) * z ** 2 + (rho / 2) * (z - v) ** 2;
      for (const beside of [-1e-3, 1e-3]) assert.ok(cost(point[0]!) <= cost(point[0]! + beside));
      assert.equal(point[1], Math.fround(v), "what has no penalty stays");
    }
  }
});
