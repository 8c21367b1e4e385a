import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { loadModel } from "../../src/models/load-model.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/models/safetensors.ts";
import { putJson } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import { openStorage } from "../../src/storage/open.ts";
import { sltrain, temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

const kernel = Float32Array.of(1, -2, 0.5, 3);
const bias = Float32Array.of(0.25);
const transform = { scale: [2, 1, 1, 0.5], offset: [0, -1, 0, 0] };

/** A finished and an unfinished run of logistic regression on four columns, as far as export looks. */
before(async () => {
  const storage = await openStorage(`fs:${folder.path}/store`);
  const topology = await loadModel("lr", { inputShape: [4], outputs: 1 });
  const data = { name: "columns", featureShape: [4], transform, classNames: ["no", "yes"] };
  for (const runId of ["done", "begun"])
    await putJson(storage, runKeys(runId).manifest, { schemaVersion: 2, runId, topology, data });
  const tensors = [
    { name: "dense/kernel", shape: [4, 1], data: kernel },
    { name: "dense/bias", shape: [1], data: bias },
  ];
  await storage.put(runKeys("done").model, encodeSafetensors(tensors));
  await storage.close();
});

const exporting = (...args: readonly string[]) =>
  sltrain(["export", ...args, "--storage", "fs:store"], folder.path);

test("an exported ONNX file takes rows as the data set has them and tells the classes' names", async () => {
  const { code, stdout } = await exporting("done", "--format", "onnx", "--to", "out/model.onnx", "--json");
  assert.equal(code, 0);
  const { files } = JSON.parse(stdout) as { files: readonly { path: string; bytes: number }[] };
  const bytes = await readFile(join(folder.path, files[0]!.path));
  assert.deepEqual(files, [{ path: "out/model.onnx", bytes: bytes.length }]);
  assert.ok(bytes.includes('["no","yes"]'));
  const session = await InferenceSession.create(bytes);
  const row = [0.5, 2, -1, 1];
  const { y } = await session.run({ x: new Tensor("float32", row, [1, 4]) });
  const seen = row.map((value, i) => value * transform.scale[i]! + transform.offset[i]!);
  const logit = seen.reduce((sum, value, i) => sum + value * kernel[i]!, bias[0]!);
  assert.ok(Math.abs((y!.data[0] as number) - 1 / (1 + Math.exp(-logit))) < 1e-6);
});

test("tfjs gets a folder of two files, safetensors one file with the transform", async () => {
  assert.equal((await exporting("done", "--format", "tfjs", "--to", "web")).code, 0);
  const json = JSON.parse(await readFile(join(folder.path, "web/model.json"), "utf8")) as {
    userDefinedMetadata: object;
  };
  assert.deepEqual(json.userDefinedMetadata, {
    ...{ run: "done", data: "columns", featureShape: [4], transform, classNames: ["no", "yes"] },
  });
  assert.equal((await readFile(join(folder.path, "web/weights.bin"))).length, 20);
  assert.equal((await exporting("done", "--format", "safetensors", "--to", "m.safetensors")).code, 0);
  const { tensors, metadata } = decodeSafetensors(await readFile(join(folder.path, "m.safetensors")), "m");
  assert.deepEqual(tensors.get("dense/kernel")!.data, kernel);
  assert.deepEqual(JSON.parse(metadata.transform!), transform);
});

test("a run without a model and a path that is a folder are refused by name", async () => {
  const begun = await exporting("begun", "--format", "onnx", "--to", "x.onnx");
  assert.equal(begun.code, 1);
  assert.match(begun.stderr, /runs\/begun\/model\.safetensors/);
  const taken = await exporting("done", "--format", "onnx", "--to", "store");
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /export-failed/);
});
