// Linear models with nothing set but the data: their defaults fit what scikit-learn fits, for any seed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { evaluateSlice } from "../../src/algorithms/evaluate.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { SampleSchedule } from "../../src/algorithms/sample-schedule.ts";
import { TrainingRows } from "../../src/algorithms/training-rows.ts";
import { batchSizeFor, defaultsFor } from "../../src/config/model-defaults.ts";
import { overRows } from "../../src/coordinator/row-form.ts";
import { ensurePartitions } from "../../src/data/partition.ts";
import { openPartitions } from "../../src/data/reader.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { loadModel, ownLossOf } from "../../src/models/load-model.ts";
import { lossFor } from "../../src/models/model-loss.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { openStorage } from "../../src/storage/open.ts";

const golden = JSON.parse(await readFile(new URL("../golden/linear.json", import.meta.url), "utf8")) as {
  readonly twins: readonly { readonly name: string; readonly rows: number; readonly accuracy: number }[];
};

const SEEDS = [1, 2, 3, 4, 5];
const WITHIN = 0.002;
const MODELS: Readonly<Record<string, readonly string[]>> = {
  higgs: ["lr"],
  a9a: ["lr", "svm"],
  w8a: ["lr", "svm"],
  rcv1: ["lr"],
  covtype: ["softmax"],
};

for (const { name, rows, accuracy } of golden.twins) {
  const storage = await openStorage(`memory:linear-${name}`);
  // The rows are those of the golden accuracy; the runs have seeds of their own.
  const manifest = await ensurePartitions(storage, `synthetic:${name}`, { seed: 1, rows });
  const data = await openPartitions(storage, manifest, "train");
  for (const model of MODELS[name]!)
    test(`the defaults of ${model} come to scikit-learn's accuracy on ${name}'s twin`, async () => {
      const defaults = defaultsFor({ model });
      const { task, classes } = manifest;
      const { hinge, clusters } = defaults;
      const { loss, outputs } = lossFor(ownLossOf(model), { task, classes, hinge, clusters });
      const topology = overRows(
        await loadModel(model, { inputShape: manifest.featureShape, outputs }),
        manifest,
      );
      const device = await createWasmDevice();
      const batchSize = batchSizeFor({ model, batchSize: defaults.batchSize, workers: 1 }, rows);
      const optimizer = optimizerOf(defaults);
      const replica = new Replica({ device, topology, loss, seed: 1 });
      await replica.useOptimizer(optimizer);
      const reached: number[] = [];
      for (const seed of SEEDS) {
        await replica.reset();
        const schedule = new SampleSchedule({
          ...{ count: rows, batchSize, seed, rank: 0, worldSize: 1, holdsAll: true },
        });
        const batches = new TrainingRows(data, schedule);
        const steps = defaults.epochs * schedule.stepsPerEpoch;
        for (let step = 0; step < steps; step++) {
          const batch = await batches.read(step, replica.wantsTargets);
          await (
            await replica.startLocalStep(batch!, hyperAt(optimizer, step, steps))
          ).sums;
        }
        const { correct } = await evaluateSlice(replica, data, { begin: 0, end: rows, batchSize: 250 });
        reached.push(correct / rows);
      }
      device.destroy();
      for (const own of reached)
        assert.ok(own >= accuracy - WITHIN, `${reached.join(", ")}, scikit-learn ${accuracy}`);
    });
}
