// How each algorithm converges with 4 workers against one, on real data, over paired seeds: `npx node
// bench/e2e/convergence.ts --results bench/results/convergence.json --plots docs`, with --data breast-cancer,mnist
// --seeds 5 --workers 1,4 --seconds 240. The curves have the form of Feng et al. 2018, figures 7 and 8: one panel for each
// algorithm, the validation loss by epoch.
//
// Takes an hour. Runs that the file has are not run again, so it can be stopped at any time; --seconds begins no run later.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeMachine, describeProvenance } from "../machine.ts";
import { convergencePlot } from "../report/convergence-plot.ts";
import { trainInProcess } from "./train-in-process.ts";

/** Settings of the linear model and of k-means, as flags, by data set. */
const DATA = {
  "breast-cancer": {
    path: fileURLToPath(new URL("../../test/golden/breast-cancer.csv", import.meta.url)),
    linear: { model: "lr", epochs: 15, "batch-size": 64 },
    clusters: 2,
  },
  mnist: { path: "mnist", linear: { model: "softmax", epochs: 8, "batch-size": 64 }, clusters: 10 },
  "fashion-mnist": {
    path: "fashion-mnist",
    linear: { model: "softmax", epochs: 4, "batch-size": 64 },
    clusters: 10,
  },
} as const;

const ROUNDS = 15;
const decay = { "weight-decay": 1e-3, "decay-except": "vectors" };
const gradient = { optimizer: "momentum", schedule: "constant", lr: 0.02, ...decay };
const ALGORITHMS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "ga-sgd": gradient,
  "local-sgd": { ...gradient, optimizer: "nesterov", "warmup-steps": 10 },
  diloco: { schedule: "constant", lr: 0.002, "outer-momentum": 0.9, ...decay },
  admm: { epochs: ROUNDS, "batch-size": undefined },
  em: { model: "kmeans", epochs: ROUNDS, "batch-size": undefined },
};

export interface ConvergenceRun {
  readonly data: string;
  readonly algorithm: string;
  readonly workers: number;
  readonly seed: number;
  readonly validationLosses: readonly number[];
  /** Empty for em. */
  readonly accuracies: readonly number[];
  readonly commit: string;
}

const { values: options } = parseArgs({
  options: {
    results: { type: "string" },
    plots: { type: "string" },
    data: { type: "string", default: Object.keys(DATA).join(",") },
    algorithms: { type: "string", default: Object.keys(ALGORITHMS).join(",") },
    seeds: { type: "string", default: "5" },
    workers: { type: "string", default: "1,4" },
    seconds: { type: "string", default: "Infinity" },
  },
});

type Job = Pick<ConvergenceRun, "data" | "algorithm" | "workers" | "seed">;

async function train(job: Job, folder: string): Promise<ConvergenceRun> {
  const { path, linear, clusters } = DATA[job.data as keyof typeof DATA];
  const flags: Readonly<Record<string, unknown>> = {
    ...{ ...linear, ...ALGORITHMS[job.algorithm] },
    ...{ data: path, algorithm: job.algorithm, workers: job.workers, seed: job.seed },
    ...(job.algorithm === "em" && { clusters }),
  };
  const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
  const { epochs } = await trainInProcess(given, folder);
  return {
    ...job,
    validationLosses: epochs.map(({ validationLoss }) => validationLoss!),
    accuracies: epochs.flatMap(({ accuracy }) => accuracy ?? []),
    commit: describeProvenance().commit,
  };
}

const path = options.results;
const runs: ConvergenceRun[] =
  path !== undefined && existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as { readonly runs: ConvergenceRun[] }).runs
    : [];
const keys = ["data", "algorithm", "workers", "seed"] as const;
const has = (job: Job) => runs.some((run) => keys.every((key) => run[key] === job[key]));
const jobs = Array.from({ length: Number(options.seeds) }, (_, i) => i + 1).flatMap((seed) =>
  options.data.split(",").flatMap((data) =>
    options.algorithms.split(",").flatMap((algorithm) =>
      options.workers
        .split(",")
        .map(Number)
        .map((workers): Job => ({ data, algorithm, workers, seed })),
    ),
  ),
);

const folder = mkdtempSync(join(tmpdir(), "sltrain-convergence-"));
const endMs = performance.now() + 1000 * Number(options.seconds);
try {
  for (const job of jobs) {
    if (has(job)) continue;
    if (performance.now() > endMs) break;
    const run = await train(job, folder);
    runs.push(run);
    const last = run.validationLosses.at(-1)!.toFixed(4);
    console.error(`${job.data} ${job.algorithm}, ${job.workers} workers, seed ${job.seed}: ${last}`);
    if (path === undefined) continue;
    writeFileSync(path, `${JSON.stringify({ machine: describeMachine(), runs }, undefined, 1)}\n`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const rows = options.data.split(",").flatMap((data) =>
  options.algorithms.split(",").flatMap((algorithm) => {
    const of = (workers: number) =>
      runs.filter((run) => run.data === data && run.algorithm === algorithm && run.workers === workers);
    const pairs = of(4).flatMap((four) => {
      const one = of(1).find(({ seed }) => seed === four.seed);
      return one === undefined ? [] : [{ one, four }];
    });
    if (pairs.length === 0) return [];
    const last = (run: ConvergenceRun) => run.validationLosses.at(-1)!;
    const differences = pairs.map(({ one, four }) => last(four) - last(one));
    const accuracy = (run: ConvergenceRun) => run.accuracies.at(-1) ?? NaN;
    return {
      ...{ data, algorithm, seeds: pairs.length },
      "loss, 1 worker": mean(pairs.map(({ one }) => last(one))).toFixed(4),
      "loss, 4 workers": mean(pairs.map(({ four }) => last(four))).toFixed(4),
      difference: `${mean(differences).toFixed(4)} (${Math.min(...differences).toFixed(4)} to ${Math.max(...differences).toFixed(4)})`,
      "accuracy %, 1": (100 * mean(pairs.map(({ one }) => accuracy(one)))).toFixed(2),
      "accuracy %, 4": (100 * mean(pairs.map(({ four }) => accuracy(four)))).toFixed(2),
    };
  }),
);
console.table(rows);

if (options.plots !== undefined) {
  for (const data of new Set(runs.map((run) => run.data))) {
    const plot = convergencePlot(runs.filter((run) => run.data === data));
    writeFileSync(join(options.plots, `convergence-${data}.svg`), plot);
  }
}
