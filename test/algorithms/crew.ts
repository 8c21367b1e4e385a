// A crew of ranks in one process: real replicas, on the reference device unless another is given, a real collective over memory, and a small
// data set whose batches do not divide evenly.

import type { Algorithm, AlgorithmState, ExchangeOutcome } from "../../src/algorithms/algorithm.ts";
import { BatchReader } from "../../src/algorithms/batch-reader.ts";
import { LossScale } from "../../src/algorithms/loss-scale.ts";
import { type AlgorithmSettings, openAlgorithm } from "../../src/algorithms/open-algorithm.ts";
import { Replica } from "../../src/algorithms/replica.ts";
import { SampleSchedule } from "../../src/algorithms/sample-schedule.ts";
import type { Collective } from "../../src/allreduce/collective.ts";
import { openDeltaLog } from "../../src/allreduce/delta-log.ts";
import { openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import type { Device } from "../../src/device/device.ts";
import { createReferenceDevice } from "../../src/device/reference/reference-device.ts";
import { add, batchNormalization, Composer, dense } from "../../src/models/compose.ts";
import { hyperAt, type OptimizerName, optimizerOf } from "../../src/optim/optimizer.ts";
import { RandomStream } from "../../src/random.ts";
import { parseCodec } from "../../src/shard/codec/codecs.ts";
import { openChannel } from "../../src/storage/open.ts";

const FEATURES = 6;
/** Unless others are given: the last batch of an epoch has six samples. */
const ROWS = 70;
const BATCH_SIZE = 16;
const MOST_ROWS = 80;
export const STEPS_PER_EPOCH = 5;
const TOTAL_STEPS = 4 * STEPS_PER_EPOCH;

const random = new RandomStream(3, "rows");
const features = Float32Array.from({ length: MOST_ROWS * FEATURES }, () => random.nextNormal());
const labels = Int32Array.from({ length: MOST_ROWS }, (_, row) => Number(features[row * FEATURES]! > 0));

export interface CrewSettings extends Partial<AlgorithmSettings> {
  readonly optimizer?: OptimizerName;
  /** Ranks; 3 unless given. */
  readonly worldSize?: number;
  /** Steps by which ranks may be apart; in lockstep unless given. */
  readonly staleness?: number;
  /** Of the updates of ranks that are not in lockstep. */
  readonly codec?: string;
  /** Of the gradients; f32 unless given. */
  readonly gradientCodec?: string;
  /** As users write it. */
  readonly reduce?: string;
  /** What stands in for the collective of a rank. */
  readonly wrapCollective?: (collective: Collective) => Collective;
  /** Whether the model has statistics. */
  readonly batchNorm?: boolean;
  /** Each rank's own. */
  readonly createDevice?: () => Promise<Device> | Device;
  /** Of the data set, 80 at most, and of a step: `STEPS_PER_EPOCH` steps have to hold all. */
  readonly rows?: number;
  readonly batchSize?: number;
  readonly scalesLoss?: boolean;
  /** Of the hidden layers; 8 unless given. */
  readonly units?: number;
  /** Bytes of a bucket. */
  readonly bucketBytes?: number;
}

export interface Member {
  readonly replica: Replica;
  readonly algorithm: Algorithm;
  readonly collective: Collective;
  /** Runs steps [begin, end); `pause` comes before each. */
  run(begin: number, end: number, pause?: () => Promise<unknown>): Promise<(ExchangeOutcome | undefined)[]>;
}

let crews = 0;

/** Ranks that have not started yet. */
export async function openCrew(settings: CrewSettings): Promise<Member[]> {
  const { worldSize = 3, optimizer: name = "momentum", batchNorm = false } = settings;
  const { rows: count = ROWS, batchSize = BATCH_SIZE, scalesLoss = false, units = 8 } = settings;
  const { bucketBytes = 256, createDevice = () => createReferenceDevice({ precision: "f32" }) } = settings;
  const { reduce = "scatter-reduce", gradientCodec = "f32" } = settings;
  const runId = `crew-${crews++}`;
  const composer = new Composer();
  const first = composer.add(dense(units, "relu"));
  if (batchNorm) composer.add(batchNormalization({ momentum: 0.9 }));
  const main = composer.add(dense(units, "relu"));
  composer.add(add(), main, first);
  composer.add(dense(1, "sigmoid"));
  const topology = composer.topology("crew", [FEATURES]);
  const optimizer = optimizerOf({ optimizer: name, lr: 0.05, schedule: "cosine" });

  return Promise.all(
    Array.from({ length: worldSize }, async (_, rank) => {
      const device = await createDevice();
      const replica = new Replica({
        ...{ device, topology, loss: "sigmoid-cross-entropy", seed: 1, scalesLoss },
      });
      await replica.useOptimizer(optimizer);
      const schedule = new SampleSchedule({
        ...{ count, batchSize, seed: 1, rank, worldSize, holdsAll: true },
      });
      await replica.training(schedule.largestShare);
      const channel = await openChannel(`memory:${runId}`);
      const member = { channel, runId, rank, worldSize, generation: 0, seed: 1, zstd: "auto" } as const;
      const opened = await openCollective({
        ...member,
        ...{ layout: replica.parameters, statistics: replica.statistics, bucketBytes },
        ...{ reduce: parseReduce(reduce), codec: parseCodec(gradientCodec) },
      });
      const collective = settings.wrapCollective?.(opened) ?? opened;
      const { staleness, codec = "f32" } = settings;
      const log = await openDeltaLog({
        ...member,
        ...{ length: replica.parameters.length, codec: parseCodec(codec) },
      });
      const batchSamples = (step: number) => schedule.batchSamples(step);
      const algorithm = await openAlgorithm(
        {
          ...{ admmRho: 1, l1: 0, weightDecay: 0 },
          algorithm: "ga-sgd",
          seed: 1,
          syncEvery: 2,
          outerLr: 0.7,
          outerMomentum: 0.9,
          ...settings,
        },
        {
          ...{ replica, collective, optimizerState: optimizer.stateNames },
          lossScale: scalesLoss ? new LossScale() : undefined,
          ...{ stepsPerEpoch: STEPS_PER_EPOCH, timeoutMs: 5000 },
          stale: staleness === undefined ? undefined : { log, staleness, batchSamples },
        },
      );
      const rows = { features, labels, featureShape: [FEATURES] };
      const reader = new BatchReader({ ...rows, transform: { scale: [1], offset: [0] } });
      return {
        ...{ replica, algorithm, collective },
        async run(begin, end, pause) {
          const outcomes = [];
          for (let step = begin; step < end; step++) {
            await pause?.();
            const { order, begin, end, sampleOffset } = schedule.share(step);
            const batch = { ...reader.read(order, begin, end, replica.wantsTargets), step, sampleOffset };
            outcomes.push(
              await algorithm.step({
                ...{ step, stopVote: 0, hyper: hyperAt(optimizer, step, TOTAL_STEPS) },
                batch: begin === end ? undefined : batch,
              }),
            );
          }
          return outcomes;
        },
      } satisfies Member;
    }),
  );
}

/** All ranks' steps [0, steps) from the start. */
export async function trainCrew(settings: CrewSettings, steps = 2 * STEPS_PER_EPOCH): Promise<Member[]> {
  const crew = await openCrew(settings);
  await Promise.all(crew.map((member) => member.run(0, steps)));
  return crew;
}

/** Copies: what the next step does to the replica changes nothing here. */
export async function stateOf({ algorithm }: Member): Promise<AlgorithmState> {
  return structuredClone(await algorithm.state());
}

export async function parametersOf({ replica }: Member): Promise<Float32Array> {
  return (await replica.read("parameters")).slice();
}
