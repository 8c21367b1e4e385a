// How often a run makes its state durable, and how far its workers may be apart, so that what lies in the channel stays
// within a bound: means are kept until the next checkpoint is durable, updates of ranks that are not in lockstep until
// all have read them. A pure function of the run's settings.

import { compressedTraffic, parseCompression } from "../allreduce/compression.ts";
import { deltaLogBytes, stalenessWithin } from "../allreduce/delta-log.ts";
import { MAX_SCALARS } from "../allreduce/lane.ts";
import { parseReduce } from "../allreduce/patterns/index.ts";
import { parseSync } from "../allreduce/sync.ts";
import type { Traffic } from "../allreduce/traffic.ts";
import { exchangeSteps } from "../config/exchange-steps.ts";
import type { TrainConfig } from "../config/schema.ts";
import { f32 } from "../shard/codec/f32.ts";
import type { Layout } from "../shard/layout.ts";
import type { RequestPrices } from "../storage/prices.ts";

export interface FrameJob {
  readonly config: TrainConfig;
  readonly parameters: Layout;
  readonly statistics: Layout;
  readonly stepsPerEpoch: number;
  /** Of the channel. */
  readonly prices: RequestPrices | undefined;
}

export interface FrameBudget {
  /** Exchanges between two checkpoints. */
  readonly checkpointEvery: number;
  /** Steps by which a worker may be ahead of the slowest; null in lockstep. */
  readonly staleness: number | null;
  /** Of all frames that lie in the channel, at most. More than was allowed if that is not enough for a single step. */
  readonly maxBytes: number;
}

/** Parts of the last two rounds are not swept yet when those of the next come. */
const ROUNDS_OF_PARTS = 3;
const EPOCHS_OF_SCALARS = 3;

export function frameBudget(job: FrameJob): FrameBudget {
  const { config, parameters, statistics, stepsPerEpoch, prices } = job;
  const { workers: worldSize, bucketBytes } = config;
  const { staleness: wanted } = parseSync(config.sync);
  const wanting = parseCompression(config.compress);
  const compression = wanted === undefined ? wanting : { codec: f32 };
  const grid = {
    layout: parameters,
    statistics,
    bucketBytes,
    reduce: parseReduce(config.reduce),
    compression,
  };
  const { round, scalars } = compressedTraffic(grid, prices, { worldSize, scalarCount: MAX_SCALARS });
  // An epoch's end has a checkpoint, which lets go of the sums of the epoch before.
  const epochs = EPOCHS_OF_SCALARS * scalars.bytesUp;
  const allowed = config.maxFrameBytes - epochs;
  if (wanted === undefined) {
    const most = Math.max(1, Math.floor(config.checkpointEverySteps / exchangeSteps(config, stepsPerEpoch)));
    // Whoever keeps what a biased codec lost merges the same parts again when it starts anew.
    const kept = compression.codec.biased ? round.bytesUp : round.meanBytesUp;
    const checkpointEvery = checkpointsWithin(allowed, round, kept, most);
    const maxBytes = epochs + roundsBytes(round, kept, checkpointEvery);
    return { checkpointEvery, staleness: null, maxBytes };
  }
  const members = { worldSize, length: parameters.length, codec: wanting.codec };
  const meeting = roundsBytes(round, round.meanBytesUp, 1);
  // Nobody can be further ahead than an epoch is long.
  const staleness = stalenessWithin(allowed - meeting, members, Math.min(wanted, stepsPerEpoch));
  return { checkpointEvery: 1, staleness, maxBytes: epochs + meeting + deltaLogBytes(members, staleness) };
}

/** The most rounds between two checkpoints. */
function checkpointsWithin(maxBytes: number, round: Traffic, keptBytes: number, most: number): number {
  if (keptBytes === 0) return most;
  const rounds = Math.floor((maxBytes - roundsBytes(round, keptBytes, 0)) / keptBytes);
  return Math.min(most, Math.max(1, rounds));
}

/** What lies in the channel when `checkpointEvery` rounds are kept, and one more until the checkpoint is known. */
function roundsBytes({ bytesUp }: Traffic, keptBytes: number, checkpointEvery: number): number {
  return (checkpointEvery + 1) * keptBytes + ROUNDS_OF_PARTS * (bytesUp - keptBytes);
}
