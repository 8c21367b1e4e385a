// Local SGD and DiLoCo, whose outer step is all in which they differ, beside gradient averaging.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { RandomStream } from "../../src/random.ts";
import { type CrewSettings, openCrew, parametersOf, stateOf, STEPS_PER_EPOCH, trainCrew } from "./crew.ts";

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

async function assertEqualRanks(crew: Awaited<ReturnType<typeof trainCrew>>): Promise<void> {
  const [first, ...others] = await Promise.all(crew.map(stateOf));
  for (const other of others) assert.deepEqual(other.shared, first!.shared);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe("local-sgd", () => {
  test("with plain SGD and an exchange after every step is gradient averaging, up to rounding", async () => {
    for (const batchNorm of [false, true]) {
      const sgd = { optimizer: "sgd", batchNorm } as const;
      const [averaged] = await trainCrew({ ...sgd, algorithm: "ga-sgd" });
      const [local] = await trainCrew({ ...sgd, algorithm: "local-sgd", syncEvery: 1 });
      const [a, b] = [await parametersOf(averaged!), await parametersOf(local!)];
      assert.ok(largestDifference(a, b) < 2e-6, `differ by ${largestDifference(a, b)}`);
    }
  });

  test("exchanges after every k steps of an epoch and at its end, and then all ranks are equal", async () => {
    const crew = await openCrew({ algorithm: "local-sgd", syncEvery: 2, batchNorm: true });
    for (const begin of [0, STEPS_PER_EPOCH]) {
      const outcomes = await Promise.all(crew.map((member) => member.run(begin, begin + STEPS_PER_EPOCH)));
      const exchanged = outcomes[0]!.map((outcome) => outcome !== undefined);
      assert.deepEqual(exchanged, [false, true, false, true, true]);
      assert.deepEqual(
        outcomes[0]!.map((outcome) => outcome?.samples),
        [undefined, 32, undefined, 32, 6],
      );
      for (const other of outcomes) assert.deepEqual(other, outcomes[0]);
      await assertEqualRanks(crew);
    }
  });

  test("sends a k-th of the bytes of gradient averaging", async () => {
    const bytes = async (settings: CrewSettings) => {
      const crew = await trainCrew(settings);
      return crew.reduce((sum, { collective }) => sum + collective.stats.bytesUp, 0);
    };
    const every = await bytes({ algorithm: "ga-sgd" });
    const once = await bytes({ algorithm: "local-sgd", syncEvery: STEPS_PER_EPOCH });
    // zstd finds a little more in one than in the other.
    assert.ok(Math.abs((once * STEPS_PER_EPOCH) / every - 1) < 0.1, `${once} of ${every} bytes`);
  });

  test("keeps each rank's optimiser state to itself", async () => {
    const crew = await trainCrew({ algorithm: "local-sgd", optimizer: "adamw" });
    const states = await Promise.all(crew.map(stateOf));
    assert.deepEqual(Object.keys(states[0]!.own), ["optimizer.m", "optimizer.v"]);
    assert.notDeepEqual(states[0]!.own, states[1]!.own);
    await assertEqualRanks(crew);
  });
});

describe("diloco", () => {
  test("with an outer rate of 1 and no momentum gives the bits of local-sgd", async () => {
    const settings = { optimizer: "adamw", syncEvery: 3, batchNorm: true } as const;
    const [local] = await trainCrew({ ...settings, algorithm: "local-sgd" });
    const outer = { algorithm: "diloco", outerLr: 1, outerMomentum: 0 } as const;
    const [diloco] = await trainCrew({ ...settings, ...outer });
    assert.deepEqual(await parametersOf(diloco!), await parametersOf(local!));
  });

  test("moves by Nesterov's momentum over the mean ways of its ranks", async () => {
    const settings = { optimizer: "sgd", syncEvery: STEPS_PER_EPOCH } as const;
    const outer = { outerLr: 0.5, outerMomentum: 0.8 };
    const [member] = await openCrew({ ...settings, ...outer, algorithm: "diloco", worldSize: 1 });
    const [alone] = await openCrew({ ...settings, algorithm: "local-sgd", worldSize: 1 });
    let velocity = new Float64Array(member!.replica.parameters.length);
    for (const epoch of range(3)) {
      const before = await parametersOf(member!);
      const { parameters, statistics } = (await stateOf(member!)).shared;
      alone!.algorithm.restore({ shared: { parameters: parameters!, statistics: statistics! }, own: {} });
      await member!.run(epoch * STEPS_PER_EPOCH, (epoch + 1) * STEPS_PER_EPOCH);
      await alone!.run(epoch * STEPS_PER_EPOCH, (epoch + 1) * STEPS_PER_EPOCH);
      const way = (await parametersOf(alone!)).map((value, i) => value - before[i]!);
      velocity = velocity.map((value, i) => outer.outerMomentum * value + way[i]!);
      const expected = before.map(
        (value, i) => value + outer.outerLr * (way[i]! + outer.outerMomentum * velocity[i]!),
      );
      assert.ok(largestDifference(await parametersOf(member!), expected) < 1e-6);
    }
  });
});

describe("any algorithm", () => {
  const cases: readonly CrewSettings[] = [
    { algorithm: "ga-sgd", optimizer: "adam" },
    { algorithm: "local-sgd", syncEvery: 2 },
    { algorithm: "local-sgd", syncEvery: "epoch", optimizer: "adamw", batchNorm: true },
    { algorithm: "diloco", syncEvery: 2, optimizer: "adamw" },
    // More ranks than the last batch has samples.
    { algorithm: "local-sgd", syncEvery: 1, worldSize: 8 },
  ];

  for (const settings of cases) {
    const name = `${settings.algorithm} every ${settings.syncEvery ?? 1} with ${settings.worldSize ?? 3} ranks`;

    test(`${name} gives the same bits whatever the timing`, async () => {
      const undisturbed = await trainCrew(settings);
      const delayed = await openCrew(settings);
      await Promise.all(
        delayed.map((member, rank) => {
          const random = new RandomStream(rank, "delay");
          return member.run(0, 2 * STEPS_PER_EPOCH, () => setTimeout(3 * random.nextUniform()));
        }),
      );
      await assertEqualRanks(delayed);
      for (const rank of delayed.keys()) {
        assert.deepEqual(await stateOf(delayed[rank]!), await stateOf(undisturbed[rank]!));
      }
    });

    test(`${name} goes on from its state in mid-epoch with the same bits`, async () => {
      const stop = settings.syncEvery === "epoch" ? STEPS_PER_EPOCH : 2;
      const undisturbed = await trainCrew(settings);
      const before = await trainCrew(settings, stop);
      const resumed = await openCrew(settings);
      for (const rank of resumed.keys()) resumed[rank]!.algorithm.restore(await stateOf(before[rank]!));
      await Promise.all(resumed.map((member) => member.run(stop, 2 * STEPS_PER_EPOCH)));
      for (const rank of resumed.keys()) {
        assert.deepEqual(await stateOf(resumed[rank]!), await stateOf(undisturbed[rank]!));
      }
    });
  }
});
