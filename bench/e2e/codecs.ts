// What compression costs in accuracy: `npx node bench/e2e/codecs.ts --results bench/results/codecs.json`, with --models
// lenet5,mlp --methods f32,int8 --seeds 5 --epochs 3 --workers 4. Trains on fashion-mnist with each method and seed, and
// compares with f32 of the same seed: the same initial parameters, the same order of samples. The ranks are workers as
// they run in functions, but tasks of this process, and their channel is its memory: no result depends on that.
//
// Takes minutes. Runs that the file has are not run again, so it can be stopped at any time; --limit N makes N more.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describeProvenance } from "../machine.ts";
import { trainInProcess } from "./train-in-process.ts";

const BASELINE = "f32";
const METHODS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  [BASELINE]: {},
  // What top-k, powersgd and local-sgd bring by default: how much of their accuracy is the optimiser's.
  "f32 nesterov": { optimizer: "nesterov", "warmup-steps": 100 },
  bf16: { compress: "bf16" },
  int8: { compress: "int8" },
  "top-k:1%": { compress: "top-k:1%" },
  "powersgd:2": { compress: "powersgd:2" },
  "local-sgd": { algorithm: "local-sgd", "sync-every": 16 },
};

const { values: options } = parseArgs({
  options: {
    results: { type: "string" },
    models: { type: "string", default: "lenet5,mlp" },
    methods: { type: "string", default: Object.keys(METHODS).join(",") },
    seeds: { type: "string", default: "5" },
    epochs: { type: "string", default: "3" },
    workers: { type: "string", default: "4" },
    limit: { type: "string", default: "Infinity" },
  },
});

interface Job {
  readonly model: string;
  readonly method: string;
  readonly seed: number;
  readonly epochs: number;
  readonly workers: number;
}

interface Run extends Job {
  /** Of the 10,000 validation images. */
  readonly accuracy: number;
  /** Of all workers, without zstd. */
  readonly bytesUp: number;
  readonly steps: number;
  readonly commit: string;
}

const [models, methods] = [options.models.split(","), options.methods.split(",")];
const [epochs, workers] = [Number(options.epochs), Number(options.workers)];
const path = options.results;
const runs: Run[] =
  path !== undefined && existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as { readonly runs: Run[] }).runs
    : [];

async function train({ model, method, seed, epochs, workers }: Job, folder: string): Promise<Run> {
  const flags = { model, data: "fashion-mnist", epochs, workers, seed, ...METHODS[method] };
  const finished = await trainInProcess(flags, folder);
  const { results } = finished;
  return {
    ...{ model, method, seed, epochs, workers },
    accuracy: finished.epochs.at(-1)!.accuracy!,
    bytesUp: results.reduce((total, { totals }) => total + totals.bytesUp, 0),
    ...{ steps: results[0]!.steps, commit: describeProvenance().commit },
  };
}

function isOf(run: Run, job: Omit<Job, "seed">): boolean {
  const keys = ["model", "method", "epochs", "workers"] as const;
  return keys.every((key) => run[key] === job[key]);
}

const folder = mkdtempSync(join(tmpdir(), "sltrain-codecs-"));
let left = Number(options.limit);
try {
  for (let seed = 1; seed <= Number(options.seeds); seed++) {
    for (const model of models) {
      for (const method of methods) {
        const job = { model, method, seed, epochs, workers };
        if (runs.some((run) => run.seed === seed && isOf(run, job)) || left-- <= 0) continue;
        const run = await train(job, folder);
        runs.push(run);
        const { accuracy, bytesUp } = run;
        console.error(
          `${model} ${method}, seed ${seed}: ${(100 * accuracy).toFixed(2)} %, ${(bytesUp / 1e6).toFixed(1)} MB`,
        );
        if (path !== undefined) writeFileSync(path, `${JSON.stringify({ runs }, undefined, 1)}\n`);
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}

const mean = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0) / values.length;

/** Beside f32 of the same seeds; undefined if there are none. */
function row(model: string, method: string): Readonly<Record<string, string | number>> | undefined {
  const of = (name: string): Run[] =>
    runs.filter((run) => isOf(run, { model, method: name, epochs, workers }));
  const pairs = of(method).flatMap((run) => {
    const base = of(BASELINE).find(({ seed }) => seed === run.seed);
    return base === undefined ? [] : [{ run, base }];
  });
  if (pairs.length === 0) return undefined;
  const points = pairs.map(({ run, base }) => 100 * (run.accuracy - base.accuracy));
  return {
    ...{ model, method, seeds: pairs.length },
    "accuracy %": mean(pairs.map(({ run }) => 100 * run.accuracy)).toFixed(2),
    "points to f32": mean(points).toFixed(2),
    least: Math.min(...points).toFixed(2),
    most: Math.max(...points).toFixed(2),
    "MB up": (mean(pairs.map(({ run }) => run.bytesUp)) / 1e6).toFixed(1),
    "of f32's": mean(pairs.map(({ run, base }) => run.bytesUp / base.bytesUp)).toFixed(4),
  };
}

console.table(
  models.flatMap((model) => methods.map((method) => row(model, method))).filter((line) => line !== undefined),
);
