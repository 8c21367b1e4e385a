// ScatterReduce, opened for one rank of one run and written once against `Channel`. (LambdaML: Jiang et al., SIGMOD
// 2021, section 3.2.3; theirs lists prefixes and deletes on read, this one does neither: see the contract in
// collective.ts.)

import { assert, SltrainError } from "../errors.ts";
import type { Codec } from "../shard/codec/codec.ts";
import { f32Planes } from "../shard/codec/f32-planes.ts";
import type { FrameStage } from "../shard/frame.ts";
import type { Bucket } from "../shard/layout.ts";
import { loadZstd } from "../shard/zstd.ts";
import { metered, requestCount } from "../storage/layers/meter.ts";
import type { Channel } from "../storage/storage.ts";
import type { Collective, RoundOptions } from "./collective.ts";
import { ExchangeClock } from "./exchange-clock.ts";
import { FrameChannel } from "./frame-channel.ts";
import { RoundMemory } from "./round-memory.ts";
import { type RoundGroup, ScatterReduceRound } from "./round.ts";
import { FrameSweeper } from "./sweep.ts";

export interface ScatterReduceOptions {
  readonly channel: Channel;
  readonly runId: string;
  readonly rank: number;
  readonly worldSize: number;
  /** How often this rank was started before; 0 for the first start. */
  readonly generation: number;
  /** The run's grid (`chunkGrid`), the same on every rank. */
  readonly buckets: readonly Bucket[];
  readonly codec?: Codec;
}

/** One rank needs no storage: its mean goes the same way through codec and division. */
export async function openScatterReduce(options: ScatterReduceOptions): Promise<Collective> {
  const { runId, rank, worldSize, generation, buckets, codec = f32Planes } = options;
  if (!Number.isInteger(rank) || rank < 0 || rank >= worldSize) {
    throw new SltrainError({
      code: "rank-invalid",
      message: `scatter-reduce: expected a rank below ${worldSize}, but got ${rank}`,
    });
  }
  assert(buckets.length > 0, "a grid has a bucket");
  const channel = metered(options.channel);
  const before = { ...channel.reading };
  const clock = new ExchangeClock();
  const frames = new FrameChannel({ channel, runId, generation, codec, zstd: await loadZstd(), clock });
  const groupOf = (grid: readonly Bucket[], sum: FrameStage, mean: FrameStage): RoundGroup => ({
    ...{ rank, worldSize, generation, buckets: grid, sum, mean, codec, frames, clock },
    memory: new RoundMemory(grid, rank, worldSize, codec),
  });
  const gradients = groupOf(buckets, "sum", "mean");
  const scalarsOnly = groupOf(
    [{ begin: 0, end: 0, chunks: [{ begin: 0, end: 0, owner: 0 }] }],
    "scalar-sum",
    "scalar-mean",
  );
  const sweeper = new FrameSweeper(runId, rank);
  const open = (group: RoundGroup, round: RoundOptions): ScatterReduceRound => {
    assert(Number.isInteger(round.step) && round.step >= 0, `a step is a whole number, not ${round.step}`);
    assert(Number.isFinite(round.weight) && round.weight >= 0, `a weight is at least 0, not ${round.weight}`);
    if (worldSize > 1) sweeper.opened(group, round.step);
    return new ScatterReduceRound(group, round);
  };

  return {
    buckets,
    // An exact codec leaves nothing.
    state: {},
    restore: () => undefined,
    close: () => Promise.resolve(),
    get stats() {
      const bytesUp = channel.reading.bytesUp - before.bytesUp;
      const bytesDown = channel.reading.bytesDown - before.bytesDown;
      const { exchangeMs, waitMs } = clock;
      const requests = requestCount(channel.reading) - requestCount(before);
      return { exchangeMs, waitMs, bytesUp, bytesDown, requests };
    },
    begin: (round) => open(gradients, round),
    reduceScalars(round, scalars) {
      const nothing = new Float32Array(0);
      const only = open(scalarsOnly, round);
      only.push(0, nothing);
      return only.finish(scalars, nothing);
    },
    async sweep(currentStep, durableStep) {
      const keys = sweeper.take(currentStep, durableStep);
      if (keys.length > 0) await channel.delete(keys);
    },
  };
}
