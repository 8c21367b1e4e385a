// A replica of a model with batch norm: what its moving statistics are for.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Batch } from "../../src/algorithms/batch.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/models/safetensors.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { RandomStream } from "../../src/random.ts";
import { FEATURES, residual } from "../support/residual-model.ts";

const BATCH_SIZE = 16;
const optimizer = optimizerOf({ optimizer: "momentum", lr: 0.1, momentum: 0.9 });

async function newReplica(): Promise<Replica> {
  const device = await createWasmDevice();
  const replica = new Replica({ device, topology: residual(), loss: "softmax-cross-entropy", seed: 1 });
  await replica.useOptimizer(optimizer);
  return replica;
}

/** Features far from 0, so that normalising matters. */
function batchOf(step: number, count = BATCH_SIZE): Batch {
  const random = new RandomStream(1, "batch", step);
  const x = Float32Array.from({ length: count * FEATURES }, () => 5 + random.nextNormal());
  const labels = Int32Array.from({ length: count }, () => random.nextInt(3));
  return { count, x, labels, step, sampleOffset: 0 };
}

async function train(replica: Replica, begin: number, end: number): Promise<void> {
  for (let step = begin; step < end; step++) {
    await replica.runTraining(batchOf(step));
    const gradients = await replica.read("gradients");
    gradients.forEach((sum, i) => (gradients[i] = sum / BATCH_SIZE));
    await replica.applyUpdate(hyperAt(optimizer, step, end));
  }
}

suite("a replica with batch norm", () => {
  test("moves its statistics in training only", async () => {
    const replica = await newReplica();
    const statistics = async () => [...(await replica.read("statistics"))];
    const initial = await statistics();
    await replica.runEvaluation(batchOf(0));
    await replica.runPrediction(BATCH_SIZE, batchOf(0).x);
    assert.deepEqual(await statistics(), initial);
    await train(replica, 0, 1);
    assert.notDeepEqual(await statistics(), initial);
  });

  test("predicts a sample by itself as among others", async () => {
    const replica = await newReplica();
    await train(replica, 0, 5);
    const { x } = batchOf(9);
    const together = (await replica.runPrediction(BATCH_SIZE, x)).slice(0, 3);
    const alone = await replica.runPrediction(1, (x as Float32Array).subarray(0, FEATURES));
    alone.forEach((probability, i) => assert.ok(Math.abs(probability - together[i]!) < 1e-6));
  });

  test("evaluates as it trains once its statistics have settled", async () => {
    const replica = await newReplica();
    const batch = batchOf(0);
    const before = await replica.runEvaluation(batch);
    // Training without updates of the parameters.
    let trained = await replica.runTraining(batch);
    for (let i = 0; i < 40; i++) trained = await replica.runTraining(batch);
    const settled = await replica.runEvaluation(batch);
    assert.ok(Math.abs(settled.loss - trained.loss) < 1e-4 * trained.loss);
    assert.ok(Math.abs(before.loss - trained.loss) > 1e-2 * trained.loss);
  });

  test("goes on from vectors that another one left, bit by bit", async () => {
    const [whole, first, second] = await Promise.all([newReplica(), newReplica(), newReplica()]);
    await train(whole, 0, 6);
    await train(first, 0, 3);
    for (const name of ["parameters", "statistics", ...optimizer.stateNames])
      second.write(name, await first.read(name));
    await train(second, 3, 6);
    for (const name of ["parameters", "statistics"])
      assert.deepEqual(await second.read(name), await whole.read(name), name);
  });

  test("is stored with its statistics under Keras's names, and predicts the same when loaded", async () => {
    const replica = await newReplica();
    await train(replica, 0, 3);
    const stored = Buffer.concat(encodeSafetensors(await replica.tensors()));
    const file = decodeSafetensors(stored, "model.safetensors");
    assert.deepEqual(
      [...file.tensors.keys()],
      [
        ...["dense/kernel", "dense/bias", "batch_normalization/gamma", "batch_normalization/beta"],
        ...["dense_1/kernel", "dense_1/bias", "dense_2/kernel", "dense_2/bias"],
        ...["batch_normalization/moving_mean", "batch_normalization/moving_variance"],
      ],
    );
    const loaded = await newReplica();
    loaded.load(file, "model.safetensors");
    const { x } = batchOf(9);
    assert.deepEqual(await loaded.runPrediction(BATCH_SIZE, x), await replica.runPrediction(BATCH_SIZE, x));
  });
});
