import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { loadModel } from "../../src/models/load-model.ts";
import { formatTopology } from "../../src/models/format-topology.ts";

suite("loadModel", () => {
  let folder: string;
  let path: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "sltrain-model-"));
    path = join(folder, "model.json");
    await writeFile(path, formatTopology(await loadModel("lr", { inputShape: [784], outputs: 10 })));
  });
  after(() => rm(folder, { recursive: true }));

  test("finds built-in models by name and fits them to the data", async () => {
    const { inputShape, layers } = await loadModel("mlp", { inputShape: [5, 5, 3], outputs: 7 });
    assert.deepEqual(inputShape, [5, 5, 3]);
    assert.equal((layers.at(-1) as { units: number }).units, 7);
  });

  test("reads a file that fits the data, also where a flat input takes images", async () => {
    for (const inputShape of [[784], [28, 28, 1], [28, 28], [1, 784]]) {
      assert.equal((await loadModel(path, { inputShape, outputs: 10 })).name, "lr");
    }
  });

  test("names the model's and the data's shape where they differ", async () => {
    await assert.rejects(loadModel(path, { inputShape: [32, 32, 3], outputs: 10 }), {
      code: "model-data-mismatch",
      message: /model\.json: .*\[784\].*\[32,32,3\]/,
    });
  });

  test("names the model's and the data's outputs where they differ", async () => {
    await assert.rejects(loadModel(path, { inputShape: [784], outputs: 2 }), {
      code: "model-data-mismatch",
      message: /10 outputs.* 2/,
      suggestions: ["Give the last layer 2 units."],
    });
  });

  test("asks whether a misspelt name means the nearest", async () => {
    await assert.rejects(loadModel("lenet", { inputShape: [28, 28, 1], outputs: 10 }), {
      code: "model-unknown",
      message: /lr, softmax, svm, .*mlp, lenet5, feng-a, .*resnet20.* "lenet"/,
      suggestions: ["Did you mean lenet5?"],
    });
  });

  test("says which file is missing", async () => {
    const missing = join(folder, "other.json");
    await assert.rejects(loadModel(missing, { inputShape: [784], outputs: 10 }), (error: Error) => {
      assert.equal((error as unknown as { code: string }).code, "model-missing");
      assert.ok(error.message.includes(missing));
      return true;
    });
  });

  test("names the file that is damaged", async () => {
    const damaged = join(folder, "damaged.json");
    await writeFile(damaged, "{");
    await assert.rejects(loadModel(damaged, { inputShape: [784], outputs: 10 }), {
      code: "model-damaged",
      message: /damaged\.json: .*position 1/,
    });
  });
});

test("a size that a model has of its own is refused, with the models whose size it is", async () => {
  const io = { inputShape: [28, 28, 1], outputs: 10 };
  await assert.rejects(loadModel("lenet5", { ...io, hidden: [64] }), {
    code: "config-conflict",
    message: /--hidden: .* got lenet5/,
    suggestions: ["It belongs to --model mlp."],
  });
  await assert.rejects(loadModel("./model.json", { ...io, width: 2 }), { code: "config-conflict" });
  await assert.rejects(loadModel("resnet20", { ...io, heads: 2 }), {
    code: "config-conflict",
    message: /--heads: .* got resnet20/,
    suggestions: ["It belongs to --model gpt-nano."],
  });
});

test("heads that do not divide a position's features are refused, with the sizes that are near", async () => {
  const io = { inputShape: [16], outputs: 65, tokens: true };
  await assert.rejects(loadModel("gpt-nano", { ...io, heads: 6 }), {
    code: "config-conflict",
    message: "--heads: expected a divisor of the 128 features that a position has, got 6",
    suggestions: ["Choose --heads 4, or --width 1.03125 for 132 features."],
  });
  const { layers } = await loadModel("gpt-nano", { ...io, heads: 6, width: 132 / 128, layers: 1 });
  assert.equal(layers.filter(({ className }) => className === "CausalSelfAttention").length, 1);
});
