// Ranks that are not in lockstep, beside gradient averaging.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { RandomStream } from "../../src/random.ts";
import { type Member, openCrew, parametersOf, stateOf, STEPS_PER_EPOCH, trainCrew } from "./crew.ts";

function largestDifference(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

/** Resolves for all once `count` wait for it: whoever comes first could read of the next step what is there already. */
function barrier(count: number): () => Promise<void> {
  let waiting: (() => void)[] = [];
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length < count) return;
      waiting.forEach((release) => release());
      waiting = [];
    });
}

/** Steps [begin, end) of all ranks, none of which begins a step before all have finished the last. */
async function runInTurns(crew: readonly Member[], begin: number, end: number): Promise<void> {
  const together = barrier(crew.length);
  await Promise.all(crew.map((member) => member.run(begin, end, together)));
}

describe("staleSgd", () => {
  test("with plain SGD and no staleness is gradient averaging, up to rounding", async () => {
    for (const batchNorm of [false, true]) {
      const sgd = { optimizer: "sgd", batchNorm } as const;
      const [averaged] = await trainCrew(sgd);
      const crew = await openCrew({ ...sgd, staleness: 0 });
      await runInTurns(crew, 0, 2 * STEPS_PER_EPOCH);
      const [own] = crew;
      const [a, b] = [await parametersOf(averaged!), await parametersOf(own!)];
      assert.ok(largestDifference(a, b) < 5e-6, `differ by ${largestDifference(a, b)}`);
    }
  });

  test("the ranks' updates together are as large as one in lockstep, also where momentum adds up", async () => {
    const [averaged] = await trainCrew({ optimizer: "momentum" }, STEPS_PER_EPOCH);
    const [own] = await trainCrew({ optimizer: "momentum", staleness: 0 }, STEPS_PER_EPOCH);
    const [start] = await openCrew({});
    const way = async (member: NonNullable<typeof start>) => {
      const [from, to] = [await parametersOf(start!), await parametersOf(member)];
      return to.map((value, i) => value - from[i]!);
    };
    const [a, b] = [await way(averaged!), await way(own!)];
    assert.ok(largestDifference(a, b) < 0.1 * Math.max(...a.map(Math.abs)));
  });

  for (const [name, settings] of [
    ["one step apart", { staleness: 1 }],
    ["any number of steps apart, with adamw", { staleness: Infinity, optimizer: "adamw" }],
    ["any number of steps apart, with top-k", { staleness: Infinity, codec: "top-k:5%" }],
    ["more than a batch has samples", { staleness: 2, worldSize: 8 }],
  ] as const) {
    test(`ranks that are ${name} end each epoch with equal bits and a lower loss`, async () => {
      const crew = await openCrew({ ...settings, batchNorm: true });
      const losses: number[] = [];
      for (const epoch of [0, 1, 2]) {
        const begin = epoch * STEPS_PER_EPOCH;
        const outcomes = await Promise.all(
          crew.map((member, rank) => {
            const random = new RandomStream(rank, "delay", epoch);
            return member.run(begin, begin + STEPS_PER_EPOCH, () => setTimeout(4 * random.nextUniform()));
          }),
        );
        for (const own of outcomes) {
          assert.deepEqual(
            own.map((outcome) => outcome?.samples),
            [undefined, undefined, undefined, undefined, 70],
          );
          assert.deepEqual(own, outcomes[0]);
        }
        losses.push(outcomes[0]!.at(-1)!.loss);
        const [first, ...others] = await Promise.all(crew.map(stateOf));
        for (const other of others) assert.deepEqual(other.shared, first!.shared);
      }
      assert.ok(losses[2]! < losses[0]!, losses.join());
    });
  }

  test("an epoch goes on from the state at its start", async () => {
    // Without staleness all is as it would be; the order in which updates are added is not.
    const settings = { staleness: 0, codec: "top-k:20%" } as const;
    const undisturbed = await openCrew(settings);
    await runInTurns(undisturbed, 0, STEPS_PER_EPOCH);
    const resumed = await openCrew(settings);
    for (const rank of resumed.keys()) {
      resumed[rank]!.algorithm.restore(await stateOf(undisturbed[rank]!));
    }
    for (const crew of [undisturbed, resumed]) await runInTurns(crew, STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH);
    const [a, b] = [await parametersOf(undisturbed[0]!), await parametersOf(resumed[0]!)];
    assert.ok(largestDifference(a, b) < 5e-6, `differ by ${largestDifference(a, b)}`);
  });
});
