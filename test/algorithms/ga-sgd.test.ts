// One step of gradient averaging over a real collective; the replica is a stand-in whose sums are known.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gaSgd } from "../../src/algorithms/ga-sgd.ts";
import { LossScale } from "../../src/algorithms/loss-scale.ts";
import type { Batch, BatchSums } from "../../src/algorithms/batch.ts";
import type { VectorReadBack } from "../../src/algorithms/model-vectors.ts";
import type { RunTrainingOptions } from "../../src/algorithms/replica.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { scatterReduce } from "../../src/allreduce/patterns/scatter-reduce.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import type { Layout } from "../../src/shard/layout.ts";
import { openChannel } from "../../src/storage/open.ts";

const parameters: Layout = {
  entries: [
    { name: "first", shape: [64], offset: 0, length: 64 },
    { name: "last", shape: [3], offset: 64, length: 3 },
  ],
  length: 128,
};
const statistics: Layout = { entries: [{ name: "moving", shape: [2], offset: 0, length: 2 }], length: 64 };

/** Gradients of `value` per sample; the last parameter's are final after instruction 0, the first one's after 1. */
function knownReplica(value: number, movingMean: number) {
  const vectors = {
    gradients: new Float32Array(128).fill(Number.NaN),
    statistics: new Float32Array(64).fill(movingMean),
  };
  const finished: number[] = [];
  return {
    vectors,
    finished,
    parameters,
    statistics,
    read: (name: string) => Promise.resolve(vectors[name as keyof typeof vectors]),
    training: () =>
      Promise.resolve({
        ...{ gradientReadyAt: [1, 0], encodes: false, lastInstruction: 1 },
        ...{ step: undefined as never, vectors: {} },
      }),
    mirror: (name: string) => vectors[name as keyof typeof vectors],
    runTraining: async (
      { count }: Batch,
      readBacks: readonly VectorReadBack[] = [],
      { lossScale = 1 }: RunTrainingOptions = {},
    ): Promise<BatchSums> => {
      const finish = (instruction: number) =>
        Promise.all(readBacks.map(async ({ after, ready }) => after === instruction && ready?.()));
      vectors.gradients.fill(0).fill(lossScale * value * count, 64, 67);
      await finish(0);
      vectors.gradients.fill(lossScale * value * count, 0, 64);
      await finish(1);
      return { loss: 2 * count, correct: 1 };
    },
    write: (name: string, data: unknown) =>
      assert.equal(data, vectors[name as keyof typeof vectors], "a step writes in place"),
    startLocalStep: () => assert.fail("no step is this rank's alone"),
    stepsUnderWay: 1,
    applyUpdate: () => Promise.resolve(void finished.push(vectors.gradients[0]!)),
  };
}

let rounds = 0;

const OUTCOME = { samples: 4, loss: 2, correct: 2, stopVotes: 1 };

async function twoRanks(
  counts: readonly [number, number],
  { withStatistics = false, packed = false, scales = [] as readonly LossScale[], ofSecond = 4 } = {},
) {
  const round = rounds++;
  const replicas = [knownReplica(1, 10), knownReplica(ofSecond, 40)] as const;
  const outcomes = await Promise.all(
    replicas.map(async (replica, rank) => {
      if (!withStatistics) replica.vectors.statistics = new Float32Array(0);
      const channel = await openChannel(`memory:ga-sgd-${round}`);
      const collective = await openCollective({
        ...{ channel, runId: "run", rank, worldSize: 2, generation: 0, seed: 1, layout: parameters },
        ...(withStatistics ? { statistics } : {}),
        ...{ bucketBytes: 4, packed, reduce: scatterReduce(), codec: f32, zstd: "auto" },
      });
      const count = counts[rank]!;
      const algorithm = gaSgd({
        ...{ replica, collective, optimizerState: [], stepsPerEpoch: 1, timeoutMs: 5000 },
        lossScale: scales[rank],
      });
      return algorithm.step({
        ...{ step: 0, stopVote: rank, hyper: new Float32Array(8) },
        batch:
          count > 0
            ? { count, x: new Float32Array(0), labels: new Int32Array(0), step: 0, sampleOffset: 0 }
            : undefined,
      });
    }),
  );
  return { replicas, outcomes };
}

describe("gaSgd", () => {
  test("gives every rank the mean over all samples before the update", async () => {
    const { replicas, outcomes } = await twoRanks([1, 3]);
    for (const { vectors, finished } of replicas) {
      assert.deepEqual([...vectors.gradients.subarray(0, 67)], new Array(67).fill((1 + 3 * 4) / 4));
      assert.deepEqual(finished, [13 / 4]);
    }
    const gradientNorm = Math.sqrt(67 * (13 / 4) ** 2);
    for (const outcome of outcomes) assert.deepEqual(outcome, { ...OUTCOME, gradientNorm });
  });

  test("gives the same mean with a scaled loss", async () => {
    const scales = [new LossScale(), new LossScale()];
    const { replicas, outcomes } = await twoRanks([1, 3], { scales });
    for (const { finished } of replicas) assert.deepEqual(finished, [13 / 4]);
    const gradientNorm = Math.sqrt(67 * (13 / 4) ** 2);
    assert.deepEqual(outcomes[0], { ...OUTCOME, gradientNorm, skipped: false });
  });

  for (const bad of [Infinity, Number.NaN])
    test(`updates no rank where one of them has a gradient of ${bad}, and halves both scales`, async () => {
      const scales = [new LossScale(), new LossScale()];
      const first = scales[0]!.scale;
      const { replicas, outcomes } = await twoRanks([1, 3], { scales, ofSecond: bad, withStatistics: true });
      for (const { finished, vectors } of replicas) {
        assert.deepEqual(finished, []);
        assert.equal(vectors.statistics[0], (10 + 3 * 40) / 4);
      }
      assert.deepEqual(
        scales.map(({ scale }) => scale),
        [first / 2, first / 2],
      );
      assert.equal(outcomes[1]!.loss, 2);
      assert.equal(outcomes[1]!.skipped, true);
    });

  test("lets a rank without samples take part", async () => {
    const { replicas } = await twoRanks([2, 0]);
    for (const { vectors } of replicas) assert.equal(vectors.gradients[0], 1);
  });

  for (const packed of [false, true]) {
    const place = packed ? "in one bucket with" : "behind";
    test(`averages statistics by samples, ${place} the gradients`, async () => {
      const { replicas } = await twoRanks([1, 3], { withStatistics: true, packed });
      for (const { vectors } of replicas) {
        assert.deepEqual([...vectors.gradients.subarray(0, 64)], new Array(64).fill(13 / 4));
        assert.deepEqual([...vectors.statistics.subarray(0, 2)], [(10 + 3 * 40) / 4, (10 + 3 * 40) / 4]);
      }
    });
  }
});
