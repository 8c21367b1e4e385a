// Lloyd's algorithm against scikit-learn's: `npx node bench/e2e/kmeans.ts`, with --rows 900000 --features 28 --clusters 10
// --iterations 20 --workers 2. Both begin at the same centroids, make as many steps and must come to the same inertia.
//
// Here each worker has half of the rows and a thread of its own, and all meet after each step through a folder in memory, as
// local functions do; scikit-learn uses as many threads. Timed are the steps alone on both sides, from rows in memory.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { em } from "../../src/algorithms/em.ts";
import { OwnRows, partRows } from "../../src/algorithms/own-rows.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import { evenPart } from "../../src/data/order.ts";
import { createWasmDevice } from "../../src/device/wasm/wasm-device.ts";
import { loadModel } from "../../src/models/load-model.ts";
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
    clusters: count("10"),
    iterations: count("20"),
    workers: count("2"),
    /** Of a worker that this bench has started. */
    rank: { type: "string" },
    channel: { type: "string" },
  },
});
const [rows, features, clusters] = [options.rows, options.features, options.clusters].map(Number) as [
  number,
  number,
  number,
];
const [iterations, worldSize] = [Number(options.iterations), Number(options.workers)];

/** (rows, features): a mixture of as many normal clouds as there are clusters, which overlap. */
function table(): Float32Array<ArrayBuffer> {
  const random = new RandomStream(1, "bench");
  const centres = Float32Array.from({ length: clusters * features }, () => random.nextNormal());
  const noise = Float32Array.from({ length: 65_521 }, () => random.nextNormal());
  const x = new Float32Array(rows * features);
  for (let row = 0, at = 0; row < rows; row++) {
    const cloud = random.nextInt(clusters);
    let from = random.nextInt(noise.length);
    for (let j = 0; j < features; j++, at++) {
      x[at] = centres[cloud * features + j]! + noise[from]!;
      if (++from === noise.length) from = 0;
    }
  }
  return x;
}

interface Result {
  readonly ms: number;
  readonly inertia: number;
}

async function work(rank: number): Promise<Result> {
  const x = table();
  const topology = await loadModel("kmeans", { inputShape: [features], outputs: clusters });
  const device = await createWasmDevice({ threads: 1 });
  const replica = new Replica({ device, topology, loss: "inertia", seed: 1 });
  const start = new Float32Array(replica.parameters.length);
  start.set(x.subarray(0, clusters * features));
  replica.write("parameters", start);
  const part = evenPart(rows, rank, worldSize);
  const batchCount = part.end - part.begin;
  await replica.training(partRows(topology, batchCount));
  const channel = await openChannel(options.channel!);
  const collective = await openCollective({
    ...{ channel, runId: "kmeans", rank, worldSize, generation: 0, seed: 1, zstd: "off" },
    ...{ layout: replica.parameters, statistics: replica.statistics, bucketBytes: 1 << 20 },
    ...{ reduce: parseReduce("all-reduce"), codec: parseCodec("f32") },
  });
  const algorithm = em({
    ...{ replica, collective, optimizerState: [], stepsPerEpoch: 1, timeoutMs: 60_000 },
    ...{ tolerance: 0, seed: 1 },
  });
  const share = {
    ...{
      features: x.subarray(part.begin * features, part.end * features),
      labels: new Float32Array(batchCount),
    },
    ...{ featureShape: [features], transform: { scale: [1], offset: [0] } },
  };
  const own = new OwnRows(share, batchCount, {
    ...{ partRows: partRows(topology, batchCount), stays: true, asTargets: false, firstRow: part.begin },
  });
  // All begin together.
  await collective.reduceScalars({ step: 0, weight: 1, timeoutMs: 60_000 }, new Float64Array(0));
  const hyper = new Float32Array(8);
  const beganMs = performance.now();
  let inertia = NaN;
  for (let step = 0; step < iterations; step++) {
    const outcome = await algorithm.step({ step, batch: undefined, rows: own, stopVote: 0, hyper });
    inertia = outcome!.loss;
  }
  const ms = performance.now() - beganMs;
  await collective.close();
  device.destroy();
  return { ms, inertia };
}

if (options.rank !== undefined) {
  answer(await work(Number(options.rank)));
} else {
  console.log(formatMachine(describeMachine()));
  const folder = mkdtempSync("/dev/shm/sltrain-kmeans-");
  try {
    const file = join(folder, "rows.f32");
    writeFileSync(file, table());
    const script = fileURLToPath(new URL("../peers/sklearn-kmeans.py", import.meta.url));
    const args = [script, file, rows, features, clusters, iterations].map(String);
    const peer = JSON.parse(execFileSync("/usr/bin/python3", args, { encoding: "utf8" })) as Result;
    rmSync(file);
    const own = await forkRanks<Result>(import.meta.url, worldSize, `fs:${folder}`);
    const ms = Math.max(...own.map((result) => result.ms));
    // Theirs is after the last step, ours before it.
    const apart = Math.abs(own[0]!.inertia / peer.inertia - 1);
    if (apart > 1e-3) throw new Error(`expected inertia ${peer.inertia}, got ${own[0]!.inertia}`);
    console.log(
      `${rows} x ${features}, ${clusters} clusters, ${iterations} steps: ${worldSize} workers ${ms.toFixed(0)} ms, ` +
        `scikit-learn ${peer.ms.toFixed(0)} ms: ${(peer.ms / ms).toFixed(2)} times as fast, inertia apart by ${apart.toExponential(1)}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
