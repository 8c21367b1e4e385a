// Logistic regression on a file of two classes, from the command to the model: `sltrain train` with two local functions,
// beside scikit-learn's LogisticRegression(lbfgs) and liblinear's -s 0, each with its own loading.
//
//   npx sltrain data export synthetic:higgs /tmp/higgs.libsvm --rows 900000 --split train
//   node bench/e2e/linear.ts /tmp/higgs.libsvm [--rounds 1]
//
// Accuracies are over all rows of the file, as scikit-learn counts them for both models. Processor seconds stand beside
// seconds, for a machine that does something else as well.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { decodeSafetensors } from "../../src/models/safetensors.ts";
import { runKeys } from "../../src/run/keys.ts";
import type { RunManifest } from "../../src/run/records.ts";
import { median } from "../statistics.ts";

const WITHIN = 0.001;
const RUN = "linear";
/** Few meetings, for a file's rows are alike, and large batches, for a row is small. */
const SETTINGS = {
  model: "lr",
  workers: 2,
  epochs: 1,
  algorithm: "local-sgd",
  "sync-every": "epoch",
  optimizer: "nesterov",
  schedule: "cosine",
  "batch-size": 2048,
  lr: 0.05,
};

interface PeerFigures {
  readonly loadS: number;
  readonly fitS: number;
  readonly cpuS: number;
  readonly accuracy: number;
  readonly other: number;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "1" }, bin: { type: "string", default: "bin/run.js" } },
});
const [path] = positionals;
assert(path !== undefined, "usage: node bench/e2e/linear.ts FILE.libsvm|FILE.csv [--rounds N]");
const folder = await mkdtemp(join(tmpdir(), "bench-linear-"));
try {
  const own: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) own.push(await train(join(folder, `${round}`)));
  const weights = join(folder, "weights.json");
  await writeFile(weights, JSON.stringify(await linearModel(join(folder, "0"))));
  const { output } = await run("/usr/bin/python3", ["bench/peers/sklearn-linear.py", path, weights]);
  const peer = JSON.parse(output) as PeerFigures;
  const ownS = median(own);
  const peerS = peer.loadS + peer.fitS;
  console.log(
    `sltrain        ${ownS.toFixed(2)} s from the command to the model, accuracy ${peer.other.toFixed(4)}`,
  );
  console.log(
    `scikit-learn   ${peerS.toFixed(2)} s (${peer.loadS.toFixed(2)} to load, ${peer.fitS.toFixed(2)} to fit; ` +
      `${peer.cpuS.toFixed(2)} of a processor), accuracy ${peer.accuracy.toFixed(4)}: ${(peerS / ownS).toFixed(2)} times as long`,
  );
  if (/svm$/.test(path)) {
    const { seconds } = await run("liblinear-train", ["-s", "0", "-q", path, join(folder, "liblinear")]);
    console.log(`liblinear -s 0 ${seconds.toFixed(2)} s: ${(seconds / ownS).toFixed(2)} times as long`);
  }
  assert.ok(Math.abs(peer.other - peer.accuracy) <= WITHIN, `accuracies differ by more than ${WITHIN}`);
} finally {
  await rm(folder, { recursive: true });
}

/** Seconds of all that the command does: start, import, functions, training, evaluation. */
async function train(storage: string): Promise<number> {
  const flags = Object.entries(SETTINGS).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const where = ["--data", path!, "--storage", `fs:${storage}`, "--run-id", RUN, "--json"];
  const { seconds } = await run(process.execPath, [values.bin, "train", ...flags, ...where]);
  return seconds;
}

/** Of the run: its weights on the file's own features. */
async function linearModel(storage: string): Promise<{ kernel: number[]; bias: number }> {
  const keys = runKeys(RUN);
  const { data } = JSON.parse(await readFile(join(storage, keys.manifest), "utf8")) as RunManifest;
  const { tensors } = decodeSafetensors(await readFile(join(storage, keys.model)), keys.model);
  const { scale, offset } = data.transform;
  const trained = Array.from(tensors.get("dense/kernel")!.data, Number);
  const bias = trained.reduce(
    (sum, weight, i) => sum + weight * (offset[i] ?? offset[0]!),
    Number(tensors.get("dense/bias")!.data[0]),
  );
  return { kernel: trained.map((weight, i) => weight * (scale[i] ?? scale[0]!)), bias };
}

async function run(command: string, args: readonly string[]): Promise<{ output: string; seconds: number }> {
  const startedAt = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number]>,
  ]);
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${errors}${output}`);
  return { output, seconds: (performance.now() - startedAt) / 1000 };
}
