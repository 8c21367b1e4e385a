import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, suite, test } from "node:test";
import { Replica } from "../../src/algorithms/replica.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { smallResNet } from "../../src/models/resnet.ts";
import * as layersApi from "../../src/models/layers-api.ts";
import { hyperAt, optimizerOf } from "../../src/optim/optimizer.ts";
import { RandomStream } from "../../src/random.ts";

const folder = mkdtempSync(join(tmpdir(), "sltrain-module-"));
after(() => rmSync(folder, { recursive: true }));
const io = { inputShape: [12, 12, 1], outputs: 3 };

let modules = 0;

/** A module with all of the API imported; a file of its own, for Node keeps what it has imported. */
function written(body: string, ending = "ts"): string {
  const path = join(folder, `m${modules++}.${ending}`);
  writeFileSync(path, `import * as l from "sltrain/layers";\n${body}\n`);
  return path;
}

const example = (name: string) => fileURLToPath(new URL(`../../examples/own-model/${name}`, import.meta.url));

suite("a model of one's own, as a module", () => {
  for (const name of ["model.ts", "mlp.js"])
    test(`learns: examples/own-model/${name}`, async () => {
      const topology = await loadModel(example(name), io);
      const device = await createWasmDevice();
      const replica = new Replica({ device, topology, loss: "softmax-cross-entropy", seed: 1 });
      const optimizer = optimizerOf({
        optimizer: "adam",
        lr: 0.01,
        momentum: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
      });
      await replica.useOptimizer(optimizer);
      const random = new RandomStream(1, "images");
      const labels = Int32Array.from({ length: 24 }, (_, i) => i % 3);
      // A class is a stripe in a third of the image.
      const x = Float32Array.from({ length: 24 * 144 }, (_, i) => {
        const stripe = Math.floor(((i % 144) / 144) * 3) === labels[Math.floor(i / 144)] ? 1 : 0;
        return stripe + 0.3 * random.nextNormal();
      });
      const losses: number[] = [];
      for (let step = 0; step < 30; step++) {
        const sums = await replica.runTraining({ count: 24, x, labels, step, sampleOffset: 0 });
        losses.push(sums.loss);
        const gradients = await replica.read("gradients");
        gradients.forEach((sum, i) => (gradients[i] = sum / 24));
        await replica.applyUpdate(hyperAt(optimizer, step, 30));
      }
      assert.ok(losses.at(-1)! < losses[0]! / 2, losses.join());
    });

  test("is what the same layers are inside sltrain", () => {
    const { add, activation, batchNormalization, conv2d, dense, globalAveragePooling2d, input, model } =
      layersApi;
    const normed = (filters: number, relu: boolean, from: layersApi.SymbolicTensor) => {
      const y = batchNormalization({ momentum: 0.9, epsilon: 1e-5 })(
        conv2d(filters, [3, 3], { useBias: false, kernelInitializer: "HeNormal" })(from),
      );
      return relu ? activation("relu")(y) : y;
    };
    const x = input([8, 8, 3]);
    const stem = normed(16, true, x);
    const block = activation("relu")(add()(normed(16, false, normed(16, true, stem)), stem));
    const own = model(x, dense(2, { activation: "softmax" })(globalAveragePooling2d()(block)), { name: "r" });
    const stages = { blocks: [1], width: 16, bottleneck: false };
    const ours = smallResNet("r", stages, { inputShape: [8, 8, 3], outputs: 2 });
    const plain = (names: readonly object[]) => names.map((layer) => ({ ...layer, epsilon: 0, momentum: 0 }));
    assert.deepEqual(
      own.layers.map(({ className }) => className),
      ours.layers.map(({ className }) => className),
    );
    assert.deepEqual(plain(own.layers), plain(ours.layers));
  });

  test("may be a value, has names of its choice, and frozen layers", async () => {
    const path = written(`const x = l.input([4]);
      export default l.model(x, l.dense(1, { name: "answer", trainable: true, activation: "sigmoid" })(l.dense(2, { trainable: false })(x)), { name: "pair" });`);
    const { name, layers } = await loadModel(path, { inputShape: [4], outputs: 1 });
    assert.equal(name, "pair");
    assert.deepEqual(
      layers.map((layer) => [layer.name, layer.trainable]),
      [
        ["dense", false],
        ["answer", undefined],
      ],
    );
  });

  for (const [subject, body, code, message] of [
    [
      "a shape that does not fit, with layer and line",
      "export default () => {\n const x = l.input([12, 12, 1]);\n return l.model(x,\n l.dense(3)(x));\n};",
      "model-shape",
      /m\d+\.ts:5: Dense layer "dense" cannot take f32\[1,12,12,1\]/,
    ],
    [
      "tensors of two shapes that are added",
      'export default () => { const x = l.input([12, 12, 1]);\n const a = l.conv2d(2, [3, 3])(x), b = l.conv2d(3, [3, 3])(x);\n return l.model(x, l.add({ name: "sum" })(a, b)); };',
      "model-shape",
      /m\d+\.ts:4: Add layer "sum" cannot take f32\[1,12,12,2\] and f32\[1,12,12,3\]/,
    ],
    [
      "all settings that there are no kernels for",
      'export default () => l.sequential([12, 12, 1], [l.flatten(), l.dense(3, { kernelInitializer: "Orthogonal" }), l.dense(3, { biasInitializer: "Foo" })]);',
      "model-unsupported",
      /"dense": kernel_initializer = "Orthogonal".*"dense_1": bias_initializer = "Foo"/,
    ],
    [
      "a layer that is called twice",
      "const x = l.input([3]), d = l.dense(3); export default l.model(x, d(d(x)));",
      "model-graph",
      /m\d+\.ts:2: dense is called twice/,
    ],
    [
      "two inputs for one",
      "const x = l.input([3]); export default l.model(x, l.dense(1)(x, x));",
      "model-graph",
      /expected one input, got 2/,
    ],
    [
      "another input",
      "export default l.model(l.input([3]), l.dense(1)(l.input([3])));",
      "model-graph",
      /another input\(\)/,
    ],
    [
      "no default export",
      "export const model = 1;",
      "model-module",
      /m\d+\.ts: expected a default export that is a model, .*got none/,
    ],
    [
      "a function of something else",
      "export default () => 7;",
      "model-module",
      /a function of a value of type number/,
    ],
    ["what cannot be run", "export default (;", "model-module", /SyntaxError/],
    [
      "what throws",
      'export default () => { throw new Error("no luck"); };',
      "model-module",
      /Error: no luck/,
    ],
    [
      "a model of other outputs than the data needs",
      "export default l.sequential([12, 12, 1], [l.flatten(), l.dense(7)]);",
      "model-data-mismatch",
      /7 outputs.* 3/,
    ],
  ] as const)
    test(`is refused with ${subject}`, async () => {
      await assert.rejects(loadModel(written(body), io), { code, message });
    });

  test("is refused where there is no such file", async () => {
    await assert.rejects(loadModel("./nowhere.ts", io), { code: "model-missing", message: /nowhere\.ts/ });
  });
});
