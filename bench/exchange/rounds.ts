// Times ScatterReduce rounds between real processes over a folder: `npx node bench/exchange/rounds.ts`.
// Options: --workers 2,4 --elements 61760,401408 --rounds 200 --bucket-bytes 4194304 --channel fs:PATH. Prints JSON.
// Gradients look like those of a dense layer on images: runs of exact zeros (dark pixels, at rest units) and rows of
// different magnitudes. Every mean is checked against the same sum made in one process.

import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { CollectiveStats } from "../../src/allreduce/collective.ts";
import { openScatterReduce } from "../../src/allreduce/scatter-reduce.ts";
import { RandomStream } from "../../src/random.ts";
import { chunkGrid } from "../../src/shard/buckets.ts";
import { openChannel } from "../../src/storage/open.ts";

interface Job {
  readonly channel: string;
  readonly runId: string;
  readonly rank: number;
  readonly worldSize: number;
  readonly elements: number;
  readonly rounds: number;
  readonly bucketBytes: number;
}

interface WorkerReport {
  readonly roundMs: readonly number[];
  readonly stats: CollectiveStats;
  readonly cpuMs: number;
  readonly rssMiB: number;
}

const WARM_UP_ROUNDS = 30;
const LAYER_ELEMENTS = 20_480;

/** What real gradients have: `mlp` on fashion-mnist 10 to 45 % zeros in rows of 512, after some steps. */
const ZERO_SHARE = 0.25;
const ROW_ELEMENTS = 512;

function gradient(rank: number, elements: number): Float32Array {
  const rows = new RandomStream(7, "rows"); // all ranks see the same dark pixels
  const random = new RandomStream(7, "gradient", rank);
  let scale = 0;
  return Float32Array.from({ length: elements }, (_, i) => {
    if (i % ROW_ELEMENTS === 0)
      scale = rows.nextUniform() < ZERO_SHARE ? 0 : 0.001 * Math.exp(2 * rows.nextNormal());
    return scale === 0 ? 0 : random.nextNormal() * scale;
  });
}

async function work(job: Job): Promise<WorkerReport> {
  const { runId, rank, worldSize, elements, rounds, bucketBytes } = job;
  const entries = Array.from({ length: Math.ceil(elements / LAYER_ELEMENTS) }, (_, i) => {
    const offset = i * LAYER_ELEMENTS;
    const length = Math.min(LAYER_ELEMENTS, elements - offset);
    return { name: `layer${i}`, shape: [length], offset, length };
  });
  const buckets = chunkGrid({ entries, length: elements }, { bucketBytes, worldSize });
  const channel = await openChannel(job.channel);
  const collective = await openScatterReduce({ channel, runId, rank, worldSize, generation: 0, buckets });
  // As in a worker: the gradients lie in memory that threads can share.
  const sums = new Float32Array(new SharedArrayBuffer(elements * 4));
  sums.set(gradient(rank, elements));
  const mean = new Float32Array(new SharedArrayBuffer(elements * 4));
  const roundMs: number[] = [];
  let before = collective.stats;
  let cpu = process.cpuUsage();
  for (let step = 0; step < WARM_UP_ROUNDS + rounds; step++) {
    if (step === WARM_UP_ROUNDS) [before, cpu] = [collective.stats, process.cpuUsage()];
    const beganMs = performance.now();
    const round = collective.begin({ step, weight: 64, timeoutMs: 20_000 });
    buckets.forEach(({ begin, end }, i) => round.push(i, sums.subarray(begin, end)));
    await round.finish(Float64Array.of(1, 2, 3), mean);
    if (step >= WARM_UP_ROUNDS) roundMs.push(performance.now() - beganMs);
    await collective.sweep(step + 1, step - 1);
  }
  const { user, system } = process.cpuUsage(cpu);
  check(mean, worldSize, elements);
  const after = collective.stats;
  const stats = Object.fromEntries(
    Object.entries(after).map(([name, value]: [string, number]) => [
      name,
      value - before[name as keyof CollectiveStats],
    ]),
  ) as unknown as CollectiveStats;
  return { roundMs, stats, cpuMs: (user + system) / 1000, rssMiB: process.memoryUsage.rss() / 2 ** 20 };
}

function check(mean: Float32Array, worldSize: number, elements: number): void {
  const sums = new Float64Array(elements);
  for (let rank = 0; rank < worldSize; rank++)
    gradient(rank, elements).forEach((value, i) => (sums[i]! += value));
  const wrong = mean.findIndex((value, i) => value !== Math.fround(sums[i]! / (worldSize * 64)));
  if (wrong >= 0)
    throw new Error(`element ${wrong}: expected ${sums[wrong]! / (worldSize * 64)}, got ${mean[wrong]}`);
}

function startWorker(job: Job): Promise<WorkerReport> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--job", JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(JSON.parse(output) as WorkerReport);
      else reject(new Error(`worker ${job.rank} ended with code ${code}`));
    });
  });
}

const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(q * (values.length - 1))]!;
const round3 = (value: number): number => Math.round(value * 1000) / 1000;

async function measure(job: Omit<Job, "rank">): Promise<object> {
  const reports = await Promise.all(
    Array.from({ length: job.worldSize }, (_, rank) => startWorker({ ...job, rank })),
  );
  const all = reports.flatMap(({ roundMs }) => roundMs);
  const perRound = (value: (report: WorkerReport) => number): number =>
    round3(reports.reduce((total, report) => total + value(report), 0) / reports.length / job.rounds);
  return {
    workers: job.worldSize,
    kilobytes: (job.elements * 4) / 1000,
    medianMs: round3(quantile(all, 0.5)),
    p10Ms: round3(quantile(all, 0.1)),
    p90Ms: round3(quantile(all, 0.9)),
    exchangeMs: perRound(({ stats }) => stats.exchangeMs),
    waitMs: perRound(({ stats }) => stats.waitMs),
    cpuMs: perRound(({ cpuMs }) => cpuMs),
    requests: perRound(({ stats }) => stats.requests),
    bytesUp: Math.round(perRound(({ stats }) => stats.bytesUp)),
    // A rank sends its share of the sums and of the means: one whole vector.
    ratio: round3(perRound(({ stats }) => stats.bytesUp) / (job.elements * 4)),
    rssMiB: Math.round(Math.max(...reports.map(({ rssMiB }) => rssMiB))),
  };
}

const { values: options } = parseArgs({
  options: {
    job: { type: "string" },
    workers: { type: "string", default: "2,4" },
    elements: { type: "string", default: "61760,401408" },
    rounds: { type: "string", default: "200" },
    "bucket-bytes": { type: "string", default: "4194304" },
    channel: { type: "string" },
  },
});

if (options.job === undefined) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sltrain-rounds-"));
  try {
    const rows: object[] = [];
    for (const worldSize of options.workers.split(",").map(Number)) {
      for (const elements of options.elements.split(",").map(Number)) {
        rows.push(
          await measure({
            channel: options.channel ?? `fs:${folder}`,
            runId: `bench-${process.pid}-${rows.length}`,
            worldSize,
            elements,
            rounds: Number(options.rounds),
            bucketBytes: Number(options["bucket-bytes"]),
          }),
        );
      }
    }
    const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"]).toString().trim();
    const machine = { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), node: process.version };
    console.log(JSON.stringify({ commit, machine, rows }, undefined, 2));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
} else {
  console.log(JSON.stringify(await work(JSON.parse(options.job) as Job)));
}
