// What a run would cost on Lambda with S3 as its channel: its own time, and the requests that the traffic model of its
// reduce predicts. (Requests that were made here include polls, which a priced channel would be asked less often.)

import { collectiveLanes } from "../allreduce/open-collective.ts";
import { scatterReduce } from "../allreduce/patterns/scatter-reduce.ts";
import { traffic } from "../allreduce/traffic.ts";
import { layoutOf } from "../graph/graph.ts";
import { buildModel } from "../models/build.ts";
import { estimateLambdaCostUsd } from "../plan/lambda-cost.ts";
import type { RunManifest } from "../run/records.ts";
import { f32 } from "../shard/codec/f32.ts";
import { REQUEST_PRICES } from "../storage/prices.ts";

export interface Spent {
  readonly wallMs: number;
  readonly steps: number;
  readonly epochs: number;
}

/** US dollars, as a function of what has been spent so far. */
export function lambdaEstimate({ config, topology }: RunManifest): (spent: Spent) => number {
  const { workers, memoryMiB, bucketBytes } = config;
  const parameters = layoutOf(buildModel(topology, 1, { training: false }).graph.parameters);
  const grid = { layout: parameters, bucketBytes, reduce: scatterReduce(), codec: f32 };
  const { gradients, scalars } = collectiveLanes(grid, REQUEST_PRICES.s3);
  const perStep = traffic({ worldSize: workers, ...gradients });
  const perEpoch = traffic({ worldSize: workers, ...scalars });
  return ({ wallMs, steps, epochs }) =>
    estimateLambdaCostUsd({
      workers,
      memoryMiB,
      wallMs,
      requests: {
        put: perStep.puts * steps + perEpoch.puts * epochs,
        get: perStep.gets * steps + perEpoch.gets * epochs,
      },
    }).totalUsd;
}
