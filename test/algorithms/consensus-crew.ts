// A crew of ranks in one process over all rows of the breast cancer data, standardised: for algorithms whose steps are
// over all rows. Real replicas and a real collective over memory.

import { readFile } from "node:fs/promises";
import { BatchReader } from "../../src/algorithms/batch-reader.ts";
import { OwnRows } from "../../src/algorithms/own-rows.ts";
import { kmeansStart } from "../../src/algorithms/kmeans-start.ts";
import { type AlgorithmSettings, openAlgorithm } from "../../src/algorithms/open-algorithm.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { denseRows } from "../../src/data/csr-batch.ts";
import { evenPart, inOrder, type RowSlice } from "../../src/data/order.ts";
import type { Device } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import type { LossName } from "../../src/models/build.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { optimizerOf } from "../../src/optim/optimizer.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { openChannel } from "../../src/storage/open.ts";
import type { Member } from "./crew.ts";

const FEATURES = 30;

export const golden = JSON.parse(
  await readFile(new URL("../golden/consensus.json", import.meta.url), "utf8"),
) as {
  readonly weightDecay: number;
  readonly l1: number;
  /** Mean over the rows, by the number of clusters. */
  readonly inertia: Readonly<Record<string, number>>;
  /** Where Lloyd's algorithm ends that begins with the first rows as centroids. */
  readonly inertiaFromFirstRows: Readonly<Record<string, number>>;
  readonly logistic: number;
  readonly logisticL1: number;
  readonly nonZerosL1: number;
  readonly squaredHinge: number;
};

const table = (await readFile(new URL("../golden/breast-cancer.csv", import.meta.url), "utf8"))
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => line.split(",").map(Number));
const moments = Array.from({ length: FEATURES }, (_, j) => {
  const mean = table.reduce((sum, row) => sum + row[j]!, 0) / table.length;
  const variance = table.reduce((sum, row) => sum + (row[j]! - mean) ** 2, 0) / table.length;
  return { mean, deviation: Math.sqrt(variance) };
});

/** (rows, features) standardised, and 0 or 1 by row. */
export const cancer = {
  count: table.length,
  featureShape: [FEATURES],
  features: Float32Array.from(
    table.flatMap((row) => moments.map(({ mean, deviation }, j) => (row[j]! - mean) / deviation)),
  ),
  labels: Int32Array.from(table, (row) => row[FEATURES]!),
  transform: { scale: [1], offset: [0] },
};

export interface ConsensusSettings extends Partial<AlgorithmSettings> {
  /** As users name it. */
  readonly model: "kmeans" | "lr" | "svm";
  readonly loss: LossName;
  /** Ranks; 1 unless given. */
  readonly worldSize?: number;
  readonly clusters?: number;
  /** (clusters, features); those of k-means++ by the seed unless given. */
  readonly start?: Float32Array;
  /** Rows that take part, from the first; all unless given. */
  readonly rows?: number;
  readonly createDevice?: () => Promise<Device>;
  /** Of a part of a rank's rows; all of them unless given. */
  readonly partRows?: number;
  /** Whether parts stay on the device; they do unless given. */
  readonly stays?: boolean;
}

function rowsOf({ begin, end }: RowSlice) {
  const features = cancer.features.subarray(begin * FEATURES, end * FEATURES);
  return { ...cancer, features, labels: cancer.labels.subarray(begin, end) };
}

let crews = 0;

/** Ranks that have not started yet. A step is an epoch. */
export async function openConsensusCrew(settings: ConsensusSettings): Promise<Member[]> {
  const { model, loss, worldSize = 1, clusters = 10, rows: count = cancer.count } = settings;
  const { seed = 1 } = settings;
  const { createDevice = () => createReferenceDevice({ precision: "f32" }) } = settings;
  const runId = `consensus-${crews++}`;
  const outputs = model === "kmeans" ? clusters : 1;
  const topology = await loadModel(model, { inputShape: [FEATURES], outputs });
  const optimizer = optimizerOf({ optimizer: "sgd", lr: 1, schedule: "constant" });
  return Promise.all(
    Array.from({ length: worldSize }, async (_, rank): Promise<Member> => {
      const replica = new Replica({ device: await createDevice(), topology, loss, seed: 1 });
      await replica.useOptimizer(optimizer);
      if (model === "kmeans") {
        const { x } = new BatchReader(cancer).read(inOrder(count), 0, count, true);
        const start = new Float32Array(replica.parameters.length);
        start.set(settings.start ?? kmeansStart(denseRows(x, FEATURES), FEATURES, { clusters, seed }));
        replica.write("parameters", start);
      }
      const collective = await openCollective({
        ...{ channel: await openChannel(`memory:${runId}`), runId, rank, worldSize, generation: 0, seed: 1 },
        ...{ zstd: "auto", layout: replica.parameters, statistics: replica.statistics, bucketBytes: 256 },
        ...{ reduce: parseReduce("scatter-reduce"), codec: parseCodec("f32") },
      });
      const algorithm = await openAlgorithm(
        {
          ...{ algorithm: "ga-sgd", seed: 1, syncEvery: 1, outerLr: 1, outerMomentum: 0 },
          ...{ admmRho: 0.1, l1: 0, weightDecay: 0 },
          ...settings,
        },
        {
          ...{ replica, collective, optimizerState: [], stepsPerEpoch: 1, timeoutMs: 5000 },
          ...{ lossScale: undefined, stale: undefined },
        },
      );
      const part = evenPart(count, rank, worldSize);
      const held = part.end - part.begin;
      const rows =
        held === 0
          ? undefined
          : new OwnRows(rowsOf(part), held, {
              ...{ partRows: settings.partRows ?? held, stays: settings.stays ?? true },
              ...{ asTargets: replica.wantsTargets, firstRow: part.begin },
            });
      return {
        ...{ replica, algorithm, collective },
        async run(begin, end, pause) {
          const outcomes = [];
          for (let step = begin; step < end; step++) {
            await pause?.();
            const hyper = new Float32Array(8);
            const outcome = await algorithm.step({ step, batch: undefined, rows, stopVote: 0, hyper });
            outcomes.push(outcome);
            if (outcome?.converged === true) break;
          }
          return outcomes;
        },
      };
    }),
  );
}
