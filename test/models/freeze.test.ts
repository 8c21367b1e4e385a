import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Batch } from "../../src/algorithms/batch.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { layoutsOf } from "../../src/models/build.ts";
import { activation, Composer, dense, dropout } from "../../src/models/compose.ts";
import { formatTopology } from "../../src/models/format-topology.ts";
import { freezeLayers, splitAtFeatures } from "../../src/models/freeze.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { parseTopology } from "../../src/models/parse-topology.ts";
import type { Topology } from "../../src/models/topology.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { RandomStream } from "../../src/random.ts";
import { FEATURES, residual } from "../support/residual-model.ts";

const optimizer = optimizerOf({ optimizer: "momentum", lr: 0.1, momentum: 0.9 });

function batchOf(step: number): Batch {
  const random = new RandomStream(1, "batch", step);
  const x = Float32Array.from({ length: 8 * FEATURES }, () => 5 + random.nextNormal());
  const labels = Int32Array.from({ length: 8 }, () => random.nextInt(3));
  return { count: 8, x, labels, step, sampleOffset: 0 };
}

async function replicaOf(topology: Topology): Promise<Replica> {
  const device = await createWasmDevice();
  return new Replica({ device, topology, loss: "softmax-cross-entropy", seed: 1 });
}

async function trained(topology: Topology): Promise<ReadonlyMap<string, readonly number[]>> {
  const replica = await replicaOf(topology);
  await replica.useOptimizer(optimizer);
  for (let step = 0; step < 3; step++) {
    await replica.runTraining(batchOf(step));
    await replica.applyUpdate(hyperAt(optimizer, step, 3));
  }
  return new Map((await replica.tensors()).map(({ name, data }) => [name, Array.from(data, Number)]));
}

const namesOf = (layout: { entries: readonly { name: string }[] }) => layout.entries.map(({ name }) => name);

suite("frozen layers", () => {
  test("have neither gradient nor optimiser state and keep their bits, the others train", async () => {
    const topology = freezeLayers(residual(), "dense, batch*");
    const { parameters, statistics, frozen } = layoutsOf(topology);
    assert.deepEqual(namesOf(parameters), [
      "dense_1/kernel",
      "dense_1/bias",
      "dense_2/kernel",
      "dense_2/bias",
    ]);
    assert.deepEqual(namesOf(statistics), []);
    const before = await (await replicaOf(topology)).tensors();
    const after = await trained(topology);
    for (const { name, data } of before) {
      const isFrozen = namesOf(frozen).includes(name);
      assert.equal(after.get(name)!.join() === data.join(), isFrozen, name);
    }
  });

  test("normalise by their moving averages in training", async () => {
    const topology = freezeLayers(residual(), "batch_normalization");
    const replica = await replicaOf(topology);
    // Without dropout, training and evaluation then see the same model.
    const training = await replica.runTraining(batchOf(0));
    assert.equal(training.loss, (await replica.runEvaluation(batchOf(0))).loss);
    const moving = await replicaOf(residual());
    assert.notEqual(
      (await moving.runTraining(batchOf(0))).loss,
      (await moving.runEvaluation(batchOf(0))).loss,
    );
  });

  test("travel in model.json as Keras says it", () => {
    const topology = freezeLayers(residual(), "all-but-head");
    assert.deepEqual(parseTopology(formatTopology(topology), "model.json"), topology);
    assert.deepEqual(
      topology.layers.filter(({ trainable }) => trainable === false).map(({ name }) => name),
      ["dense", "batch_normalization", "dense_1"],
    );
  });

  test("are refused where nothing is left to train, or where no layer has the name", () => {
    assert.throws(() => freezeLayers(residual(), "*"), { code: "freeze-all" });
    assert.throws(() => freezeLayers(residual(), "dense_3,add,dense"), {
      code: "freeze-unknown",
      message: /batch_normalization.*got "dense_3", "add"/,
    });
  });
});

suite("the features of frozen layers", () => {
  /** Both parts with the whole's weights, which are a function of seed and name. */
  async function assertSame(topology: Topology, cut: string): Promise<void> {
    const { extractor, head } = splitAtFeatures(topology)!;
    assert.equal(extractor.layers.at(-1)!.name, cut);
    const { x, count } = batchOf(0);
    const features = Float32Array.from(await (await replicaOf(extractor)).runPrediction(count, x));
    const answers = Float32Array.from(await (await replicaOf(head)).runPrediction(count, features));
    assert.deepEqual(answers, Float32Array.from(await (await replicaOf(topology)).runPrediction(count, x)));
  }

  test("end where one tensor goes on: behind the add of a residual block", () =>
    assertSame(freezeLayers(residual(), "all-but-head"), "add"));

  test("end ahead of a block whose branch is trained", () =>
    assertSame(freezeLayers(residual(), "dense,batch_normalization"), "dense"));

  test("end ahead of dropout, which draws anew at each step", () => {
    const composer = new Composer();
    for (const layer of [dense(5), activation("relu"), dropout(0.5), dense(4), dense(3)]) composer.add(layer);
    const whole = composer.topology("m", [FEATURES]);
    return assertSame(freezeLayers(whole, "all-but-head"), "activation");
  });

  test("are none where the first layer is trained", () => {
    assert.equal(splitAtFeatures(freezeLayers(residual(), "dense_1")), undefined);
    assert.equal(splitAtFeatures(residual()), undefined);
  });

  test("of VGG19 are 4,096 numbers", async () => {
    const vgg19 = await loadModel("vgg19", { inputShape: [224, 224, 3], outputs: 10 });
    const { extractor, head } = splitAtFeatures(freezeLayers(vgg19, "all-but-head"))!;
    assert.equal(extractor.layers.at(-1)!.name, "dense");
    assert.deepEqual(head.inputShape, [4096]);
    assert.equal(layoutsOf(head).parameters.length, 4096 * 10 + 64);
  });
});
