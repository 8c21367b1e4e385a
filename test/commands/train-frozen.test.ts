// Transfer learning as a user does it: a trained model, its first layers frozen, a new head for other classes.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeSafetensors, type Safetensors } from "../../src/models/safetensors.ts";
import { AWS_PRICES } from "../../src/plan/lambda-cost.ts";
import { RandomStream } from "../../src/random.ts";
import {
  eventsOf,
  type JsonEvent,
  lastEvent,
  sltrain,
  startSltrain,
  temporaryFolder,
} from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

/** Rows of eight numbers in two or three classes. */
function writeRows(name: string, classes: number): void {
  const random = new RandomStream(classes, "rows");
  const rows = Array.from({ length: 300 }, (_, row) => {
    const label = row % classes;
    const values = Array.from({ length: 8 }, (_, i) => (i % classes === label ? 2 : 0) + random.nextNormal());
    return [...values.map((value) => value.toFixed(4)), `class${label}`].join();
  });
  writeFileSync(join(folder.path, name), `a,b,c,d,e,f,g,h,label\n${rows.join("\n")}\n`);
}

const common = ["--workers", "1", "--batch-size", "32", "--epochs", "2", "--seed", "3", "--json"];

const trainEvents = async (...args: readonly string[]) => {
  const ended = await sltrain(["train", ...common, ...args], folder.path);
  assert.equal(ended.code, 0, ended.stderr + ended.stdout);
  return eventsOf(ended);
};

const train = async (...args: readonly string[]) => (await trainEvents(...args)).at(-1)!;

const modelOf = (runId: string): Safetensors =>
  decodeSafetensors(readFileSync(join(folder.path, `.sltrain/runs/${runId}/model.safetensors`)), runId);

before(async () => {
  writeRows("two.csv", 2);
  writeRows("three.csv", 3);
  const model = `import { dense, sequential } from "sltrain/layers";
    export default ({ inputShape, outputs }) => sequential(inputShape, [
      dense(6, { activation: "relu" }), dense(5, { activation: "tanh" }),
      dense(outputs, { activation: outputs === 1 ? "sigmoid" : "softmax" })]);`;
  writeFileSync(join(folder.path, "own.mjs"), model);
  await train("--model", "own.mjs", "--data", "two.csv", "--run-id", "base");
});

const ofBase = ["--model", "own.mjs", "--weights", "run:base", "--freeze", "all-but-head"];

test("features that are kept train the same bits as features of every step, and the model is whole", async () => {
  const kept = await train(
    ...ofBase,
    "--data",
    "three.csv",
    "--frozen-features",
    "cache",
    "--run-id",
    "kept",
  );
  const computed = await train(
    ...ofBase,
    "--data",
    "three.csv",
    "--frozen-features",
    "compute",
    "--run-id",
    "computed",
  );
  assert.equal(kept.accuracy, computed.accuracy);
  const [base, whole, other] = [modelOf("base"), modelOf("kept"), modelOf("computed")];
  assert.deepEqual([...whole.tensors.keys()].sort(), [...other.tensors.keys()].sort());
  for (const [name, { data }] of other.tensors) {
    assert.deepEqual(whole.tensors.get(name)!.data, data, name);
    const isHead = name.startsWith("dense_2/");
    if (!isHead) assert.deepEqual(data, base.tensors.get(name)!.data, name);
  }
  // Asked with raw rows, the whole model answers as its head did in training.
  const evaluated = await sltrain(["evaluate", "kept", "--json"], folder.path);
  const { accuracy } = JSON.parse(evaluated.stdout) as { accuracy: number };
  assert.equal(accuracy, kept.accuracy);
});

test("a run's cost has that of the features that were made for it, and of nothing that was there", async () => {
  const again = [...ofBase, "--data", "two.csv", "--frozen-features", "cache"];
  const [maker, finder] = [await trainEvents(...again), await trainEvents(...again)];
  const computeUsd = ({ costUsd }: JsonEvent): number => (costUsd as { compute: number }).compute;
  const ownUsd = (run: JsonEvent): number =>
    (run.byWorker as { gbSeconds: number }[]).reduce((sum, { gbSeconds }) => sum + gbSeconds, 0) *
    AWS_PRICES.lambda.gibSecondUsd[process.arch === "arm64" ? "arm64" : "x86_64"];
  const made = maker.find(({ event }) => event === "features.made")!;
  assert.ok(computeUsd(made) > 0);
  assertNear(computeUsd(maker.at(-1)!), ownUsd(maker.at(-1)!) + computeUsd(made));
  assert.ok(!finder.some(({ event }) => event === "features.made"));
  assertNear(computeUsd(finder.at(-1)!), ownUsd(finder.at(-1)!));
});

function assertNear(got: number, wanted: number): void {
  assert.ok(Math.abs(got - wanted) < 1e-9 * wanted, `${got}, expected ${wanted}`);
}

test("the best epoch's model is whole too, though the run kept only its head on the way", async () => {
  const diverging = ["--lr", "3", "--best-by", "loss", "--frozen-features", "cache"];
  const ended = await train(...ofBase, "--data", "three.csv", ...diverging, "--run-id", "newest");
  await train(...ofBase, "--data", "three.csv", ...diverging, "--run-id", "best", "--keep", "best");
  const { best } = ended as unknown as { best: { epoch: number; modelPath: string } };
  assert.ok(best.epoch < 2, "a rate that diverges");
  const beside = decodeSafetensors(readFileSync(join(folder.path, best.modelPath)), best.modelPath);
  assert.deepEqual(beside.tensors, modelOf("best").tensors);
  assert.notDeepEqual(beside.tensors, modelOf("newest").tensors);
  assert.ok(!existsSync(join(folder.path, ".sltrain/runs/newest/best-head.safetensors")));
});

test("a head that does not fit is told of where nothing is frozen", async () => {
  const ended = await sltrain(
    ["train", ...common, "--model", "own.mjs", "--data", "three.csv", "--weights", "run:base"],
    folder.path,
  );
  const { code, suggestions } = lastEvent(ended);
  assert.equal(code, "weights-mismatch");
  assert.deepEqual(suggestions, ["Write --new-head on to train a new last layer."]);
});

test("Ctrl-C while large weights are made ends the command, and what is made by then is not taken for whole", async () => {
  const { child, ended } = startSltrain(
    ["train", ...common, "--model", "vgg19", "--data", "synthetic:cifar10", "--rows", "20"].concat(
      ...["--freeze", "all-but-head", "--frozen-features", "cache"],
    ),
    folder.path,
  );
  const weights = join(folder.path, ".sltrain/weights");
  const before = existsSync(weights) ? readdirSync(weights) : [];
  const made = (): string | undefined =>
    existsSync(weights) ? readdirSync(weights).find((id) => !before.includes(id)) : undefined;
  while (made() === undefined && child.exitCode === null) await sleep(20);
  child.kill("SIGINT");
  const end = await ended;
  assert.equal(end.code, 130, end.stderr);
  assert.equal(lastEvent(end).code, "interrupted");
  assert.ok(!existsSync(join(weights, made()!, "index.json")));
});
