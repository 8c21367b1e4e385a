// What a run would cost on Lambda with S3 as its channel: its own time, and the requests that the traffic model of its
// reduce predicts. (Requests that were made here include polls, which a priced channel would be asked less often.)

import { compressedTraffic, parseCompression } from "../allreduce/compression.ts";
import { parseReduce } from "../allreduce/patterns/index.ts";
import type { Traffic } from "../allreduce/traffic.ts";
import { exchangeSteps } from "../config/exchange-steps.ts";
import { samplesPerStep } from "../config/samples-per-step.ts";
import { batchesPerEpoch } from "../data/order.ts";
import { layoutsOf } from "../models/build.ts";
import { estimateLambdaCostUsd } from "../plan/lambda-cost.ts";
import type { RunManifest } from "../run/records.ts";
import { REQUEST_PRICES } from "../storage/prices.ts";

export interface Spent {
  readonly wallMs: number;
  readonly steps: number;
  readonly epochs: number;
}

/** US dollars, as a function of what has been spent so far. */
export function lambdaEstimate({ config, topology, data, frames }: RunManifest): (spent: Spent) => number {
  const { workers, memoryMiB, bucketBytes } = config;
  const { parameters } = layoutsOf(topology);
  const compression = parseCompression(config.compress);
  const grid = { layout: parameters, bucketBytes, reduce: parseReduce(config.reduce), compression };
  const { round, scalars: validation } = compressedTraffic(grid, REQUEST_PRICES.s3, { worldSize: workers });
  const steps = exchangeSteps(
    config,
    batchesPerEpoch(data.counts.train, samplesPerStep(config, data.counts.train)),
  );
  // Out of lockstep each appends its update at every step, which all others read; rounds end the epochs.
  const log = { puts: workers, gets: workers * (workers - 1) };
  const [perStep, perEpoch] =
    frames.staleness === null ? [scaled(round, 1 / steps), [validation]] : [log, [validation, round]];
  return (spent) =>
    estimateLambdaCostUsd({
      ...{ workers, memoryMiB, wallMs: spent.wallMs },
      requests: {
        put: perStep.puts * spent.steps + sumOf(perEpoch, "puts") * spent.epochs,
        get: perStep.gets * spent.steps + sumOf(perEpoch, "gets") * spent.epochs,
      },
    }).totalUsd;
}

type Requests = Pick<Traffic, "puts" | "gets">;

function scaled({ puts, gets }: Requests, factor: number): Requests {
  return { puts: puts * factor, gets: gets * factor };
}

function sumOf(requests: readonly Requests[], kind: keyof Requests): number {
  return requests.reduce((total, each) => total + each[kind], 0);
}
