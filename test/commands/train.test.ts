// `sltrain train` and the commands around a run, as a user runs them: real processes, real storage.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { frameKey } from "../../src/allreduce/keys.ts";
import { after, describe, test } from "node:test";
import { add, batchNormalization, Composer, dense } from "../../src/models/compose.ts";
import { formatTopology } from "../../src/models/format-topology.ts";
import { decodeSafetensors } from "../../src/models/safetensors.ts";
import { eventsOf, lastEvent, sltrain, temporaryFolder, type JsonEvent } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);
const small = ["train", "--model", "lr", "--data", "random-binary:6000", "--epochs", "2", "--json"];

describe("a run", () => {
  test("prints its events as JSON lines and leaves manifest, metrics and model", async () => {
    const ended = await sltrain(
      [...small, "--workers", "2", "--run-id", "first", "--progress", "fs:shown"],
      folder.path,
    );
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    const names = eventsOf(ended).map(({ event }) => event);
    assert.equal(names[0], "run.started");
    assert.equal(names.filter((name) => name === "worker.started").length, 2);
    assert.equal(names.filter((name) => name === "worker.ended").length, 2);
    assert.equal(names.filter((name) => name === "epoch").length, 2);
    const summary = lastEvent(ended);
    assert.equal(summary.event, "run.completed");
    assert.equal(summary.status, "completed");
    assert.equal(summary.workers, 2);
    assert.ok((summary.accuracy as number) > 0.6, `accuracy ${String(summary.accuracy)}`);
    for (const name of ["wallMs", "firstStepMs", "computeMs", "bytesUp", "bytesDown", "requests"]) {
      assert.ok((summary[name] as number) > 0, name);
    }
    assert.ok(existsSync(join(folder.path, summary.modelPath as string)));
    assert.equal(summary.generations, 1);
    assert.equal(summary.restarts, 0);
    const { compute, requests, storage, total } = summary.costUsd as Record<string, number>;
    assert.equal(compute! + requests! + storage!, total);
    assert.ok((summary.gbSeconds as number) > 0 && compute! > 0);
    assert.deepEqual(
      (summary.byWorker as { rank: number }[]).map(({ rank }) => rank),
      [0, 1],
    );
    const best = summary.best as { epoch: number; modelPath: string };
    assert.ok(existsSync(join(folder.path, best.modelPath)));
    const left = readdirSync(join(folder.path, ".sltrain/runs/first")).sort();
    assert.equal(left.includes("best.safetensors"), best.epoch === 1);
    const shown = readdirSync(join(folder.path, "shown/runs/first")).sort();
    assert.deepEqual(shown, ["heartbeats", "metrics.jsonl"]);
    const always = left.filter((name) => name !== "best.safetensors");
    assert.deepEqual(always, [
      "logs",
      "manifest.json",
      "members",
      "metrics.jsonl",
      "model.json",
      "model.safetensors",
      "summary.json",
    ]);
  });

  test("has plain lines when stdout is no terminal", async () => {
    const ended = await sltrain(
      small.filter((arg) => arg !== "--json"),
      folder.path,
    );
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /^ +2\/2 +0\.\d{4} /m);
    assert.match(ended.stdout, /^model +\.sltrain\/runs\/.*model\.safetensors$/m);
  });

  test("is seen by runs ls, runs show, evaluate and predict", async () => {
    const listed = await sltrain(["runs", "ls", "--json"], folder.path);
    const { runs } = JSON.parse(listed.stdout) as { runs: { runId: string; status: string }[] };
    assert.equal(runs.find(({ runId }) => runId === "first")?.status, "completed");

    const shown = await sltrain(["runs", "show", "first"], folder.path);
    assert.match(shown.stdout, /training loss/);

    const evaluated = await sltrain(["evaluate", "first", "--json"], folder.path);
    const summary = JSON.parse(
      readFileSync(join(folder.path, ".sltrain/runs/first/summary.json"), "utf8"),
    ) as JsonEvent;
    assert.equal((JSON.parse(evaluated.stdout) as JsonEvent).accuracy, summary.accuracy);

    const row = Array.from({ length: 20 }, (_, i) => i % 2).join(",");
    writeFileSync(join(folder.path, "features.csv"), `${row}\n${row}\n`);
    const predicted = await sltrain(["predict", "first", "features.csv", "--json"], folder.path);
    assert.equal(predicted.code, 0, predicted.stderr);
    const { predictions } = JSON.parse(predicted.stdout) as { predictions: { outputs: number[] }[] };
    assert.equal(predictions.length, 2);
    assert.deepEqual(predictions[0], predictions[1]);
  });
});

test("a model with branches and batch norm trains on two workers and is evaluated by its moving statistics", async () => {
  const composer = new Composer();
  const first = composer.add(dense(16));
  composer.add(batchNormalization({ momentum: 0.9 }));
  const main = composer.add(dense(16, "relu"));
  composer.add(add(), main, first);
  composer.add(dense(1, "sigmoid"));
  writeFileSync(join(folder.path, "branches.json"), formatTopology(composer.topology("branches", [20])));
  const args = ["--data", "random-binary:6000", "--epochs", "2", "--workers", "2", "--run-id", "branches"];
  const ended = await sltrain(["train", "--model", "./branches.json", ...args, "--json"], folder.path);
  assert.equal(ended.code, 0, ended.stdout + ended.stderr);
  const completed = lastEvent(ended);
  assert.ok((completed.accuracy as number) > 0.6, `accuracy ${String(completed.accuracy)}`);

  const path = join(folder.path, completed.modelPath as string);
  const { tensors } = decodeSafetensors(readFileSync(path), path);
  const variance = tensors.get("batch_normalization/moving_variance")!;
  assert.ok([...variance.data].every((value) => value > 0 && value !== 1));

  const evaluated = await sltrain(["evaluate", "branches", "--json"], folder.path);
  const { loss, accuracy } = JSON.parse(evaluated.stdout) as JsonEvent;
  assert.equal(accuracy, completed.accuracy);
  const validationLoss = completed.validationLoss as number;
  assert.ok(Math.abs((loss as number) - validationLoss) < 1e-5 * validationLoss);
});

describe("determinism", () => {
  test("the same seed gives the same bits, and any worker count the same first 20 losses", async () => {
    const runs: JsonEvent[] = [];
    for (const workers of ["1", "2", "2", "4"]) {
      runs.push(lastEvent(await sltrain([...small, "--workers", workers], folder.path)));
    }
    assert.equal(runs[1]!.parametersSha256, runs[2]!.parametersSha256);
    const losses = runs.map((run) => run.firstLosses as number[]);
    assert.equal(losses[0]!.length, 20);
    for (const other of losses) {
      other.forEach((loss, step) => {
        assert.ok(Math.abs(loss - losses[0]![step]!) <= 1e-4 * losses[0]![step]!, `step ${step}: ${loss}`);
      });
    }
  });

  test("any number of threads gives the same bits", async () => {
    const runs: JsonEvent[] = [];
    for (const threads of ["1", "2"]) {
      const args = ["train", "--model", "feng-a", "--data", "random-binary:20000", "--epochs", "3", "--json"];
      const ended = await sltrain([...args, "--workers", "1", "--threads", threads], folder.path);
      assert.equal(ended.code, 0, ended.stdout + ended.stderr);
      runs.push(lastEvent(ended));
    }
    assert.equal(runs[0]!.parametersSha256, runs[1]!.parametersSha256);
  });

  test("an exchange on a thread of its own gives the same bits", async () => {
    const runs: JsonEvent[] = [];
    for (const ioThread of ["off", "on"]) {
      const ended = await sltrain([...small, "--workers", "2", "--io-thread", ioThread], folder.path);
      assert.equal(ended.code, 0, ended.stdout + ended.stderr);
      runs.push(lastEvent(ended));
    }
    assert.equal(runs[0]!.parametersSha256, runs[1]!.parametersSha256);
    assert.ok((runs[1]!.bytesUp as number) > 0);
  });
});

describe("faults", () => {
  test("a loss that is not finite stops the run and names worker and step", async () => {
    const ended = await sltrain([...small, "--workers", "2", "--lr", "1e38"], folder.path);
    assert.notEqual(ended.code, 0);
    const failed = lastEvent(ended);
    assert.equal(failed.code, "loss-not-finite");
    assert.match(
      String(failed.message),
      /^worker [01] at step \d+: expected a finite loss, got (NaN|-?Infinity) in step \d+$/,
    );
  });

  test("steps that do not fit a function's memory are refused before anything is started", async () => {
    const cwd = join(folder.path, "little-memory");
    mkdirSync(cwd);
    writeFileSync(join(cwd, "sltrain.config.json"), JSON.stringify({ memoryMiB: 128 }));
    const args = ["train", "--model", "mlp", "--data", "random-binary:40000", "--batch-size", "32000"];
    const ended = await sltrain([...args, "--workers", "1", "--json"], cwd);
    assert.notEqual(ended.code, 0);
    assert.equal(eventsOf(ended).length, 1);
    assert.equal(lastEvent(ended).code, "out-of-memory");
    assert.match(String(lastEvent(ended).message), /at most [\d,]+ fit$/);
  });

  test("a model that does not fit a function's memory is refused before its weights are made", async () => {
    const cwd = join(folder.path, "little-memory-weights");
    mkdirSync(cwd);
    writeFileSync(join(cwd, "sltrain.config.json"), JSON.stringify({ memoryMiB: 128 }));
    // Weights that would be found missing as soon as they were asked for.
    const args = ["train", "--model", "mlp", "--hidden", "8000,4000", "--data", "random-binary:400"];
    const ended = await sltrain(
      [...args, "--weights", "missing.safetensors", "--workers", "1", "--json"],
      cwd,
    );
    assert.equal(lastEvent(ended).code, "out-of-memory");
  });

  test("a foreign object in a frame's place is an error that names its key, never a wrong sum", async () => {
    // The place of the first step's first frame: whoever puts there finds it taken and reads it back.
    const key = frameKey("foreign", { lane: 0, level: 0, step: 0, bucket: 0, piece: 0, rank: 0 });
    const path = join(folder.path, ".sltrain", key);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, "this is no frame");
    const ended = await sltrain([...small, "--run-id", "foreign", "--workers", "2"], folder.path);
    assert.equal(ended.code, 1);
    const failed = lastEvent(ended);
    assert.equal(failed.code, "frame-damaged");
    assert.ok((failed.message as string).includes(key), failed.message as string);
  });

  const refusals: readonly (readonly [
    what: string,
    args: readonly string[],
    code: string,
    message: RegExp,
  ])[] = [
    ["an unknown model", ["--model", "lenet"], "model-unknown", /lenet5/],
    ["an unknown data set", ["--data", "mnits"], "data-unknown", /mnits/],
    ["an unknown flag", ["--bacth-size", "3"], "flag-unknown", /--bacth-size/],
    ["a bad number", ["--epochs", "0"], "config-bad-value", /--epochs: expected a whole number/],
    [
      "more workers than samples in a batch",
      ["--workers", "9", "--batch-size", "8"],
      "too-many-workers",
      /9 workers for 8/,
    ],
    [
      "a storage that cannot be written",
      ["--storage", "fs:/proc/sltrain"],
      "storage-not-writable",
      /\/proc\/sltrain/,
    ],
    ["a storage that workers cannot reach", ["--storage", "memory:x"], "storage-unshared", /memory:x/],
    [
      "credentials in a URI",
      ["--storage", "s3://key:geheim@bucket"],
      "config-bad-value",
      /without credentials.*"s3:\/\/bucket"/,
    ],
    [
      "a tree for another number of workers",
      ["--workers", "3", "--reduce", "tree:1,2,4"],
      "reduce-invalid",
      /3 workers/,
    ],
    [
      "a protocol that an algorithm has no use for",
      ["--sync", "asp", "--algorithm", "diloco"],
      "config-conflict",
      /--sync asp with --algorithm diloco/,
    ],
    ["an unknown storage", ["--storage", "ftp://host"], "storage-unknown", /ftp/],
  ];
  for (const [what, args, code, message] of refusals) {
    test(`${what} is refused with code ${code}`, async () => {
      const ended = await sltrain(["train", "--json", ...args], folder.path);
      assert.notEqual(ended.code, 0);
      assert.doesNotMatch(ended.stdout + ended.stderr, /geheim/);
      const failed = lastEvent(ended);
      assert.equal(failed.event, "run.failed");
      assert.equal(failed.code, code);
      assert.match(`${failed.message as string} ${(failed.suggestions as string[]).join(" ")}`, message);
    });
  }
});
