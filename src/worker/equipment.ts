// What a worker trains with: its data, and the model compiled on its device. It costs most of a start, so a process keeps
// the last one for its next invocation, and of it whatever fits: a warm process mostly gets another rank than before.

import { scalesLoss } from "../algorithms/loss-scale.ts";
import { partRows } from "../algorithms/own-rows.ts";
import { Replica } from "../algorithms/replica.ts";
import { SampleSchedule } from "../algorithms/sample-schedule.ts";
import { keepsInputs, memoryShares } from "../algorithms/training-memory.ts";
import { samplesPerStep, takesAllRows } from "../config/samples-per-step.ts";
import type { Dataset } from "../data/dataset.ts";
import { evenPart, type RowSlice } from "../data/order.ts";
import { loadBytes, openPartitions } from "../data/reader.ts";
import { leastStreamBytes, RowStream } from "../data/row-stream.ts";
import type { Step } from "../device/device.ts";
import { optimizerOf, type Optimizer } from "../optim/optimizer.ts";
import type { RunManifest } from "../run/records.ts";
import { loadWeights } from "../run/stored-weights.ts";
import type { Storage } from "../storage/storage.ts";
import { openRunDevice, type RunDevice } from "./run-device.ts";
import { startingPoint } from "./starting-point.ts";
import type { StartupClock } from "./startup-clock.ts";

export interface Equipment extends CompiledReplica {
  readonly schedule: SampleSchedule;
  /** Where a step is over all of the rank's rows. */
  readonly parts?: RowParts | undefined;
  readonly optimizer: Optimizer;
  /** The rows that the schedule speaks of: in memory, or streamed where they do not fit. */
  readonly train: Dataset | RowStream;
  /** This rank's part of the validation split; may be empty. */
  readonly validation: Dataset;
  /** All that each part of it depends on. */
  readonly keys: Readonly<Record<"replica" | "train" | "validation", string>>;
}

/** As in OwnRowsOptions. */
export interface RowParts {
  readonly partRows: number;
  readonly stays: boolean;
}

interface CompiledReplica extends RunDevice {
  readonly replica: Replica;
  /** What its parameters are as long as it is as good as new; absent: what its seed says. */
  readonly start: Float32Array | undefined;
  /** Of the largest batch. */
  readonly step: Step;
}

export interface EquipOptions {
  readonly storage: Storage;
  readonly manifest: RunManifest;
  readonly rank: number;
  /** That compute. */
  readonly threads: number;
  readonly startup: StartupClock;
}

/** At most one: nobody else uses it. */
let kept: Equipment | undefined;

/** As good as new. It is the caller's until it is kept or destroyed. */
export async function equip(options: EquipOptions): Promise<Equipment> {
  const { storage, manifest, rank, startup } = options;
  const { dataBytes } = memoryShares(manifest.config.memoryMiB, manifest.data);
  const schedule = scheduleOf(manifest, rank, dataBytes);
  const place = { storage, manifest, rows: schedule.rows, rank, memoryLimitBytes: dataBytes };
  const optimizer = optimizerOf(manifest.config);
  const parts = takesAllRows(manifest.config) ? partsOf(manifest, schedule, optimizer) : undefined;
  const trainedCount = parts?.partRows ?? schedule.largestShare;
  const keys = keysOf(options, schedule);
  const before = kept;
  kept = undefined;
  const compiled = before?.keys.replica === keys.replica ? before : undefined;
  if (compiled === undefined) before?.device.destroy();
  const [train, validation, start, { device, gpu, replica, step }] = await Promise.all([
    // What it streamed from is closed.
    before?.keys.train === keys.train && !(before.train instanceof RowStream)
      ? before.train
      : openTrain(place),
    before?.keys.validation === keys.validation ? before.validation : openValidation(place),
    compiled === undefined ? startingPoint(storage, manifest) : compiled.start,
    compiled ?? compileReplica(options, optimizer, trainedCount),
  ]);
  await beginAgain(replica, storage, manifest);
  if (start !== undefined) replica.write("parameters", start);
  startup.end("data");
  const rows = { schedule, parts, train, validation };
  return { ...rows, keys, optimizer, device, ...(gpu && { gpu }), replica, start, step };
}

/** Of the rank's rows. */
function partsOf(
  { config, data, topology, loss, classWeights }: RunManifest,
  { rows }: SampleSchedule,
  optimizer: Optimizer,
): RowParts {
  const count = rows.end - rows.begin;
  const job = { topology, loss, optimizer, labelSmoothing: config.labelSmoothing, classWeights };
  const part = partRows(topology, count);
  return { partRows: part, stays: keepsInputs(job, { part, count }, { memoryMiB: config.memoryMiB, data }) };
}

/** By the run's first weights, and by its seed where it has none. */
async function beginAgain(replica: Replica, storage: Storage, { weights }: RunManifest): Promise<void> {
  const stored = weights?.stored ?? {};
  await replica.reset(Object.keys(stored));
  await loadWeights(storage, stored, replica);
}

/** For the next invocation of this process, unless its GPU has gone away. */
export function keepEquipment(equipment: Equipment): void {
  kept?.device.destroy();
  kept = equipment.device.isLost === true ? undefined : equipment;
}

/** Of the run's settings whatever a part may depend on: not its name, nor where it is stored. */
function keysOf(
  { manifest, rank, threads }: EquipOptions,
  { rows, largestShare }: SampleSchedule,
): Equipment["keys"] {
  const { config, data, topology, loss, classWeights } = manifest;
  const { runId: _, storage: __, channel: ___, ...settings } = config;
  const key = (...parts: unknown[]): string => JSON.stringify([settings, data, ...parts]);
  return {
    replica: key(
      topology,
      loss,
      classWeights,
      threads,
      largestShare,
      config.device === "webgpu" ? rank : "any",
    ),
    train: key(rows),
    validation: key(rank),
  };
}

/**
 * Of all training rows where they fit into `dataBytes`, else of this rank's part of them; of that part too where it is
 * the same in every step.
 */
function scheduleOf({ config, data }: RunManifest, rank: number, dataBytes: number): SampleSchedule {
  const { seed, workers: worldSize } = config;
  const count = data.counts.train;
  const batchSize = samplesPerStep(config, count);
  const holdsAll = !takesAllRows(config) && loadBytes(data, "train") <= dataBytes;
  return new SampleSchedule({
    ...{ count, batchSize, seed, rank, worldSize, holdsAll },
    shuffles: !takesAllRows(config),
  });
}

interface DataPlace {
  readonly storage: Storage;
  readonly manifest: RunManifest;
  readonly rank: number;
  /** Of the training split: what the schedule speaks of. */
  readonly rows: RowSlice;
  readonly memoryLimitBytes: number;
}

/** Streamed where they do not fit: shuffled, or in order where each step takes them all. */
async function openTrain({
  storage,
  manifest,
  rows,
  memoryLimitBytes,
}: DataPlace): Promise<Dataset | RowStream> {
  const { data, config } = manifest;
  const streams =
    loadBytes(data, "train", rows) > memoryLimitBytes && leastStreamBytes(data, "train") <= memoryLimitBytes;
  if (!streams) return openPartitions(storage, data, "train", { memoryLimitBytes, rows });
  const { seed, epochs } = config;
  const of = { storage, manifest: data, split: "train", rows } as const;
  if (!takesAllRows(config)) return new RowStream({ ...of, seed, epochs, memoryBytes: memoryLimitBytes });
  // Large windows are for shuffling; what they leave is for parts on their way from one to the next. How often a step goes
  // over all rows is not known before.
  const memoryBytes = Math.max(leastStreamBytes(data, "train"), memoryLimitBytes / 4);
  return new RowStream({ ...of, epochs: Infinity, memoryBytes });
}

/** This rank's part. */
function openValidation({ storage, manifest, rank, memoryLimitBytes }: DataPlace): Promise<Dataset> {
  const { data, config } = manifest;
  const rows = evenPart(data.counts.validation, rank, config.workers);
  return openPartitions(storage, data, "validation", { memoryLimitBytes, rows });
}

/** The model on its device, ready for its first step. */
async function compileReplica(
  { manifest, rank, threads, startup }: EquipOptions,
  optimizer: Optimizer,
  batchSize: number,
): Promise<Omit<CompiledReplica, "start">> {
  const { config, topology, loss, classWeights } = manifest;
  const opened = await openRunDevice(config, rank, threads);
  const { device } = opened;
  startup.end("device");
  const replica = new Replica({
    ...{ device, topology, loss, seed: config.seed, begins: "empty" },
    ...{ scalesLoss: scalesLoss(config), labelSmoothing: config.labelSmoothing, classWeights },
  });
  await replica.useOptimizer(optimizer);
  const { step } = await replica.training(batchSize);
  startup.end("compile");
  return { ...opened, replica, step };
}
