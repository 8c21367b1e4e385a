// Consensus ADMM's time to scikit-learn's accuracy: `npx node bench/e2e/admm.ts`, with --rows 900000 --features 28
// --workers 2. Logistic regression, both with the same L2 penalty on the same rows; ADMM stops at the first consensus
// whose accuracy is at most 0.001 below that of scikit-learn's finished model.
//
// Each worker has half of the rows and a thread of its own, and meets the other through a folder in memory. Timed are the
// fits alone on both sides, from rows in memory.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { admm } from "../../src/algorithms/admm.ts";
import { penaltyOf } from "../../src/algorithms/proximal.ts";
import { OwnRows, partRows } from "../../src/algorithms/own-rows.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { evenPart } from "../../src/data/order.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { parseSpared } from "../../src/optim/spared-tensors.ts";
import { RandomStream } from "../../src/random.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { openChannel } from "../../src/storage/open.ts";
import { describeMachine, formatMachine } from "../machine.ts";
import { answer, forkRanks } from "./fork-ranks.ts";

const count = (value: string) => ({ type: "string", default: value }) as const;
const { values: options } = parseArgs({
  options: {
    rows: count("900000"),
    features: count("28"),
    workers: count("2"),
    /** Of a worker that this bench has started. */
    rank: { type: "string" },
    channel: { type: "string" },
  },
});
const [rows, features, worldSize] = [options.rows, options.features, options.workers].map(Number) as [
  number,
  number,
  number,
];
const WEIGHT_DECAY = 1e-3;
const ROUNDS = 12;

/** x (rows, features) of features that depend on each other, and labels of a noisy linear rule: about 0.8 can be told. */
function table() {
  const random = new RandomStream(1, "bench");
  const rule = Float32Array.from({ length: features }, () => random.nextNormal() / 4);
  const noise = Float32Array.from({ length: 65_521 }, () => random.nextNormal());
  const x = new Float32Array(rows * features);
  const labels = new Float32Array(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    let from = random.nextInt(noise.length);
    let [score, before] = [noise[from]!, 0];
    for (let j = 0; j < features; j++, at++) {
      if (++from === noise.length) from = 0;
      before = x[at] = 0.6 * before + 0.8 * noise[from]!;
      score += rule[j]! * before;
    }
    labels[row] = Number(score > 0);
  }
  return { x, labels };
}

interface Round {
  /** Since the beginning, when the consensus of the round before was known. */
  readonly ms: number;
  /** Of that consensus. */
  readonly accuracy: number;
}

async function work(rank: number): Promise<{ readonly rounds: readonly Round[] }> {
  const { x, labels } = table();
  const topology = await loadModel("lr", { inputShape: [features], outputs: 1 });
  const device = await createWasmDevice({ threads: 1 });
  const replica = new Replica({ device, topology, loss: "sigmoid-cross-entropy", seed: 1 });
  const { begin, end } = evenPart(rows, rank, worldSize);
  await replica.training(partRows(topology, end - begin));
  const collective = await openCollective({
    ...{ channel: await openChannel(options.channel!), runId: "admm", rank, worldSize, generation: 0 },
    ...{ seed: 1, zstd: "off", layout: replica.parameters, bucketBytes: 1 << 20 },
    ...{ reduce: parseReduce("all-reduce"), codec: parseCodec("f32") },
  });
  const algorithm = await admm({
    ...{ replica, collective, optimizerState: [], stepsPerEpoch: 1, timeoutMs: 60_000 },
    ...{ rho: 0.1, tolerance: 0 },
    penalty: penaltyOf({ l1: 0, l2: WEIGHT_DECAY }, replica.parameters, parseSpared("vectors")),
  });
  const share = {
    ...{ features: x.subarray(begin * features, end * features), labels: labels.subarray(begin, end) },
    ...{ featureShape: [features], transform: { scale: [1], offset: [0] } },
  };
  const own = new OwnRows(share, end - begin, {
    ...{ partRows: partRows(topology, end - begin), stays: true, asTargets: true, firstRow: begin },
  });
  // All begin together.
  await collective.reduceScalars({ step: 0, weight: 1, timeoutMs: 60_000 }, new Float64Array(0));
  const hyper = new Float32Array(8);
  const beganMs = performance.now();
  const rounds: Round[] = [];
  for (let step = 0; step < ROUNDS; step++) {
    const outcome = await algorithm.step({ step, batch: undefined, rows: own, stopVote: 0, hyper });
    rounds.push({ ms: performance.now() - beganMs, accuracy: outcome!.correct / outcome!.samples });
  }
  await collective.close();
  device.destroy();
  return { rounds };
}

if (options.rank !== undefined) {
  answer(await work(Number(options.rank)));
} else {
  console.log(formatMachine(describeMachine()));
  const folder = mkdtempSync("/dev/shm/sltrain-admm-");
  try {
    const file = join(folder, "rows.f32");
    const { x, labels } = table();
    const lines = new Float32Array(rows * (features + 1));
    for (let row = 0; row < rows; row++) {
      lines.set(x.subarray(row * features, (row + 1) * features), row * (features + 1));
      lines[row * (features + 1) + features] = labels[row]!;
    }
    writeFileSync(file, lines);
    const script = fileURLToPath(new URL("../peers/sklearn-logistic.py", import.meta.url));
    const args = [script, file, rows, features, WEIGHT_DECAY].map(String);
    const peer = JSON.parse(execFileSync("/usr/bin/python3", args, { encoding: "utf8" })) as Round;
    rmSync(file);
    const own = await forkRanks<{ readonly rounds: readonly Round[] }>(
      import.meta.url,
      worldSize,
      `fs:${folder}`,
    );
    const reached = own[0]!.rounds.findIndex(({ accuracy }) => accuracy >= peer.accuracy - 1e-3);
    const round = own[0]!.rounds[reached];
    if (round === undefined) throw new Error(`expected accuracy ${peer.accuracy} within ${ROUNDS} rounds`);
    // A round's time is the slowest worker's; it tells the accuracy of the consensus before it.
    const ms = Math.max(...own.map(({ rounds }) => rounds[reached]!.ms));
    console.log(
      `${rows} x ${features}: ${worldSize} workers came to ${round.accuracy.toFixed(4)} in round ${reached}, ` +
        `known after ${ms.toFixed(0)} ms; scikit-learn to ${peer.accuracy.toFixed(4)} in ${peer.ms.toFixed(0)} ms: ` +
        `${(peer.ms / ms).toFixed(2)} times as fast`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
