// One worker of one run: opens what the manifest names, trains, and leaves model and result.

import type { ExchangeOutcome } from "../algorithms/algorithm.ts";
import { openAlgorithm } from "../algorithms/open-algorithm.ts";
import { Replica } from "../algorithms/replica.ts";
import { SampleSchedule } from "../algorithms/sample-schedule.ts";
import { memoryShares } from "../algorithms/training-memory.ts";
import { startIoThread } from "../allreduce/io-thread/start-io-thread.ts";
import type { Dataset } from "../data/dataset.ts";
import { evenPart, type RowSlice } from "../data/order.ts";
import { loadBytes, openPartitions } from "../data/reader.ts";
import type { Device, Step } from "../device/device.ts";
import { createWasmDevice } from "../device/wasm/wasm-device.ts";
import { SltrainError } from "../errors.ts";
import { encodeSafetensors, tensorsSha256 } from "../models/safetensors.ts";
import { optimizerOf, type Optimizer } from "../optim/optimizer.ts";
import { watchPace } from "../plan/watch-pace.ts";
import { getJson, getJsonLines, putJson, putJsonLines } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { EpochMetrics, RunManifest, WorkerEvent, WorkerResult } from "../run/records.ts";
import type { Metered } from "../storage/layers/meter.ts";
import type { Storage } from "../storage/storage.ts";
import { availableThreads, planThreads } from "./available-threads.ts";
import { type Cursor, readNewestCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { durableState, restoreState } from "./durable-state.ts";
import { HeartbeatTimer } from "./heartbeat.ts";
import type { Invocation } from "./invocation.ts";
import { openPeers } from "./peers.ts";
import { StartupClock } from "./startup-clock.ts";
import { trainLoop } from "./train-loop.ts";
import { WorkMeter } from "./work-meter.ts";

/** Losses kept in the result, to compare runs step by step. */
const FIRST_LOSSES = 20;

/** `cursor` is advanced in place, so that a failure can tell its step. */
export async function runWorker(
  event: WorkerEvent,
  invocation: Invocation,
  storage: Storage & Metered,
  cursor: Cursor,
): Promise<WorkerResult> {
  const { runId, rank, attempt, generation } = event;
  const clock = new StartupClock(invocation);
  clock.end("load");
  const keys = runKeys(runId);
  const manifest = await readManifest(storage, event);
  const { config } = manifest;
  const worldSize = config.workers;
  clock.end("manifest");

  const { dataBytes } = memoryShares(config.memoryMiB, manifest.data);
  const threads = planThreads(config, {
    lockstep: manifest.frames.staleness === null,
    available: availableThreads({ workers: worldSize, env: process.env }),
  });
  const ioThread = threads.io ? startIoThread() : undefined;
  const schedule = scheduleOf(manifest, rank, dataBytes);
  const optimizer = optimizerOf(config);
  const [data, { device, replica, step }] = await Promise.all([
    openData(storage, manifest, { rows: schedule.rows, rank, memoryLimitBytes: dataBytes }),
    compileReplica(manifest, optimizer, schedule.largestShare, { threads: threads.compute, clock }),
  ]).catch(async (error: unknown) => {
    await ioThread?.stop();
    throw error;
  });
  clock.end("data");

  const peers = await openPeers(event, manifest, storage, { replica, ioThread });
  const { collective, log } = peers;
  const { staleness } = manifest.frames;
  const batchSamples = (step: number) => schedule.batchSamples(step);
  const algorithm = await openAlgorithm(config, {
    ...{ replica, collective, optimizerState: optimizer.stateNames },
    stepsPerEpoch: schedule.stepsPerEpoch,
    timeoutMs: config.roundTimeoutMs,
    stale: log && staleness !== null ? { log, staleness, batchSamples } : undefined,
  });
  const place = { storage, keys, rank, worldSize };
  const checkpoint =
    attempt + generation > 0 ? await readNewestCheckpoint(place, await algorithm.state()) : undefined;
  if (checkpoint) {
    restoreState(algorithm, collective, checkpoint);
    Object.assign(cursor, checkpoint.cursor);
  }
  const metrics = (await getJsonLines<EpochMetrics>(storage, keys.metrics)).filter(
    (epoch) => epoch.step <= cursor.step,
  );
  const resumedFrom = { steps: cursor.step, epochs: metrics.length };
  const meter = new WorkMeter(peers);
  const firsts = new FirstSteps(invocation);
  const pace = watchPace(storage.capabilities.prices, config);
  const heartbeat = new HeartbeatTimer({
    storage,
    heartbeatKey: keys.heartbeat(attempt, rank, generation),
    stopKey: keys.stop,
    beatMs: rank === 0 ? pace.leaderBeatMs : pace.beatMs,
    stopCheckMs: pace.stopCheckMs,
    read: () => ({
      ...{ rank, attempt, generation, pid: process.pid },
      usage: { ...invocation.usage, requestsUsd: peers.stats.requestsUsd },
      ...{ step: cursor.step, epoch: metrics.length + 1 },
      samples: (cursor.step - metrics.length * schedule.stepsPerEpoch) * config.batchSize,
      loss: cursor.epochSamples > 0 ? cursor.epochLoss / cursor.epochSamples : null,
      ...(firsts.stepMs === undefined ? {} : { firstStepMs: firsts.stepMs }),
    }),
  });
  try {
    const reason = await trainLoop({
      ...{
        manifest,
        replica,
        optimizer,
        algorithm,
        collective,
        schedule,
        ...data,
        cursor,
        metrics,
        meter,
      },
      stopRequested: () => heartbeat.stopRequested(),
      onStep: (outcome) => {
        clock.end("firstStep");
        firsts.add(outcome);
      },
      onEpoch: async () => {
        if (rank === 0) await putJsonLines(storage, keys.metrics, metrics);
      },
      onCheckpoint: async () => writeCheckpoint(place, await durableState(algorithm, collective), cursor),
    });
    const tensors = await replica.tensors();
    if (rank === 0) {
      const metadata = { format: "sltrain", model: config.model, run: runId };
      await storage.put(keys.model, encodeSafetensors(tensors, metadata));
    }
    const result: WorkerResult = {
      ...{ rank, attempt, reason, steps: cursor.step, epochs: metrics.length, resumedFrom },
      pid: process.pid,
      wallMs: invocation.elapsedMs,
      firstStepMs: firsts.stepMs ?? invocation.elapsedMs,
      startupMs: clock.stagesMs,
      firstLosses: firsts.losses,
      parametersSha256: tensorsSha256(tensors),
      peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
      arenaMiB: step.arenaBytes / 2 ** 20,
      totals: meter.totals,
      ...(collective.stats.zstd && { compresses: collective.stats.zstd.compresses }),
    };
    // No beat may follow the result: the coordinator clears them away.
    await heartbeat.end("ended");
    await putJson(storage, keys.result(attempt, rank), result);
    return result;
  } finally {
    await heartbeat.stop();
    await peers.close();
    device.destroy();
  }
}

/** When the first step was finished, and the mean losses of the first exchanges. */
class FirstSteps {
  readonly losses: number[] = [];
  /** By the invocation's clock. */
  stepMs: number | undefined;
  readonly #invocation: Invocation;

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
  }

  add(outcome: ExchangeOutcome | undefined): void {
    this.stepMs ??= this.#invocation.elapsedMs;
    if (outcome && this.losses.length < FIRST_LOSSES) this.losses.push(outcome.loss);
  }
}

async function readManifest(storage: Storage, { runId, storage: uri }: WorkerEvent): Promise<RunManifest> {
  const key = runKeys(runId).manifest;
  const manifest = await getJson<RunManifest>(storage, key);
  if (manifest) return manifest;
  throw new SltrainError({
    code: "run-missing",
    message: `expected a run manifest under ${key} in ${uri}, got none`,
    suggestions: ["Start the run with `sltrain train`; give the workers the same --storage."],
  });
}

/** Of all training rows where they fit into `dataBytes`, else of this rank's part of them. */
function scheduleOf({ config, data }: RunManifest, rank: number, dataBytes: number): SampleSchedule {
  const { batchSize, seed, workers: worldSize } = config;
  const holdsAll = loadBytes(data, "train") <= dataBytes;
  return new SampleSchedule({ count: data.counts.train, batchSize, seed, rank, worldSize, holdsAll });
}

/** The schedule's training rows, and this rank's part of the validation rows. */
async function openData(
  storage: Storage,
  { config, data }: RunManifest,
  { rows, rank, memoryLimitBytes }: { rows: RowSlice; rank: number; memoryLimitBytes: number },
): Promise<{ train: Dataset; validation: Dataset }> {
  const validationRows = evenPart(data.counts.validation, rank, config.workers);
  return {
    train: await openPartitions(storage, data, "train", { memoryLimitBytes, rows }),
    validation: await openPartitions(storage, data, "validation", { memoryLimitBytes, rows: validationRows }),
  };
}

/** The model on its device, ready for its first step. */
async function compileReplica(
  { config, topology, loss }: RunManifest,
  optimizer: Optimizer,
  batchSize: number,
  { threads, clock }: { readonly threads: number; readonly clock: StartupClock },
): Promise<{ device: Device; replica: Replica; step: Step }> {
  const device = await createWasmDevice({ threads });
  clock.end("device");
  const replica = new Replica({ device, topology, loss, seed: config.seed });
  await replica.useOptimizer(optimizer);
  const { step } = await replica.training(batchSize);
  clock.end("compile");
  return { device, replica, step };
}
