// Sparse rows from a LibSVM file to a trained model and its predictions, as a user goes.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { decodeSafetensors } from "../../src/models/safetensors.ts";
import { lastEvent, sltrain, temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

const ROWS = 3000;
const FEATURES = 5000;
/** Of which any tells the class. */
const TELLING = 20;

/** Each row has four telling features of its class among twelve that say nothing; classes are named as LibSVM names them. */
function writeRows(path: string, labels: readonly number[]): void {
  const random = new RandomStream(1, path);
  const lines = Array.from({ length: ROWS }, () => {
    const label = random.nextInt(labels.length);
    const telling = Array.from({ length: 4 }, () => label * TELLING + random.nextInt(TELLING));
    const others = Array.from({ length: 12 }, () => 100 + random.nextInt(FEATURES - 100));
    const columns = [...new Set([...telling, ...others])].sort((a, b) => a - b);
    return `${labels[label]} ${columns.map((column) => `${column + 1}:1`).join(" ")}`;
  });
  writeFileSync(path, `${lines.join("\n")}\n`);
}

const cases = [
  { name: "two", labels: [-1, 1], model: "lr", more: [] },
  { name: "three", labels: [1, 2, 5], model: "svm", more: ["--hinge", "squared", "--lr", "0.05"] },
  {
    name: "local",
    labels: [-1, 1],
    model: "lr",
    more: ["--algorithm", "local-sgd", "--optimizer", "sgd", "--lr", "1"],
  },
] as const;

for (const { name, labels, model, more } of cases)
  test(`${model} ${more.join(" ")} trains on sparse rows of ${labels.length} classes with two workers, is evaluated and asked`, async () => {
    writeRows(join(folder.path, `${name}.libsvm`), labels);
    const data = ["--data", `${name}.libsvm`];
    const args = ["--model", model, ...data, "--workers", "2", "--epochs", "3", "--run-id", name, ...more];
    const ended = await sltrain(["train", ...args, "--json"], folder.path);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    const summary = lastEvent(ended);
    assert.ok((summary.accuracy as number) > 0.97, `accuracy ${String(summary.accuracy)}`);
    const path = join(folder.path, summary.modelPath as string);
    const kernel = decodeSafetensors(readFileSync(path), path).tensors.get("dense/kernel")!;
    assert.equal(kernel.shape[0], FEATURES);
    if (name === "two") {
      const steps = summary.steps as number;
      const denseBytes = steps * 2 * FEATURES * 4;
      assert.ok((summary.bytesUp as number) < denseBytes / 2, `${String(summary.bytesUp)} bytes up`);
    }

    const evaluated = await sltrain(["evaluate", name, "--json"], folder.path);
    assert.equal((JSON.parse(evaluated.stdout) as { accuracy: number }).accuracy, summary.accuracy);

    // Shorter and longer rows than in training, and a feature that it never saw.
    const rows = labels.map(
      (label, i) => `${label} ${i * TELLING + 1}:1 ${i * TELLING + 2}:1 ${FEATURES + 9}:4`,
    );
    const long = `0 ${Array.from({ length: 40 }, (_, i) => `${i < 20 ? i + 1 : 1000 + i}:1`).join(" ")}`;
    writeFileSync(join(folder.path, "asked.libsvm"), `${[...rows, long].join("\n")}\n`);
    const predicted = await sltrain(["predict", name, "asked.libsvm", "--json"], folder.path);
    assert.equal(predicted.code, 0, predicted.stderr);
    const { predictions } = JSON.parse(predicted.stdout) as { predictions: { class: number }[] };
    assert.deepEqual(
      predictions.map((prediction) => prediction.class),
      [...labels.keys(), 0],
    );
  });
