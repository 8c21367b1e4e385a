// What a worker trains with: its data, and the model compiled on its device. It costs most of a start, so a process keeps
// the last one for its next invocation.

import { scalesLoss } from "../algorithms/loss-scale.ts";
import { Replica } from "../algorithms/replica.ts";
import { SampleSchedule } from "../algorithms/sample-schedule.ts";
import { memoryShares } from "../algorithms/training-memory.ts";
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

export interface Equipment extends RunDevice {
  /** Of the settings that it was made for. */
  readonly key: string;
  readonly schedule: SampleSchedule;
  readonly optimizer: Optimizer;
  /** The rows that the schedule speaks of: in memory, or streamed where they do not fit. */
  readonly train: Dataset | RowStream;
  /** This rank's part of the validation split; may be empty. */
  readonly validation: Dataset;
  readonly replica: Replica;
  /** What the replica's parameters are as long as it is as good as new; absent: what its seed says. */
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
export async function equip({ storage, manifest, rank, threads, startup }: EquipOptions): Promise<Equipment> {
  const key = keyOf(manifest, rank, threads);
  const { dataBytes } = memoryShares(manifest.config.memoryMiB, manifest.data);
  const schedule = scheduleOf(manifest, rank, dataBytes);
  const place = { storage, manifest, rows: schedule.rows, rank, memoryLimitBytes: dataBytes };
  const warm = kept?.key === key ? kept : undefined;
  if (warm === undefined) kept?.device.destroy();
  kept = undefined;
  if (warm !== undefined) {
    await beginAgain(warm.replica, storage, manifest);
    // What it streamed from is closed.
    return begun(warm.train instanceof RowStream ? { ...warm, train: await openTrain(place) } : warm);
  }
  const optimizer = optimizerOf(manifest.config);
  const [train, validation, start, compiled] = await Promise.all([
    openTrain(place),
    openValidation(place),
    startingPoint(storage, manifest),
    compileReplica(manifest, optimizer, schedule.largestShare, { rank, threads, startup }),
  ]);
  await beginAgain(compiled.replica, storage, manifest);
  startup.end("data");
  return begun({ key, schedule, optimizer, start, train, validation, ...compiled });
}

/** By the run's first weights, and by its seed where it has none. */
async function beginAgain(replica: Replica, storage: Storage, { weights }: RunManifest): Promise<void> {
  const stored = weights?.stored ?? {};
  await replica.reset(Object.keys(stored));
  await loadWeights(storage, stored, replica);
}

function begun(equipment: Equipment): Equipment {
  const { replica, start } = equipment;
  if (start !== undefined) replica.write("parameters", start);
  return equipment;
}

/** For the next invocation of this process, unless its GPU has gone away. */
export function keepEquipment(equipment: Equipment): void {
  kept?.device.destroy();
  kept = equipment.device.isLost === true ? undefined : equipment;
}

/** All that it depends on: not the run's name, nor where the run is stored. */
function keyOf({ config, data, topology, loss }: RunManifest, rank: number, threads: number): string {
  const { runId: _, storage: __, channel: ___, ...settings } = config;
  return JSON.stringify({ settings, data, topology, loss, rank, threads });
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

/** Streamed where they do not fit, unless each step takes them all. */
async function openTrain({
  storage,
  manifest,
  rows,
  memoryLimitBytes,
}: DataPlace): Promise<Dataset | RowStream> {
  const { data, config } = manifest;
  const streams =
    !takesAllRows(config) &&
    loadBytes(data, "train", rows) > memoryLimitBytes &&
    leastStreamBytes(data, "train") <= memoryLimitBytes;
  if (!streams) return openPartitions(storage, data, "train", { memoryLimitBytes, rows });
  const { seed, epochs } = config;
  return new RowStream({
    ...{ storage, manifest: data, split: "train", rows, seed, epochs, memoryBytes: memoryLimitBytes },
  });
}

/** This rank's part. */
function openValidation({ storage, manifest, rank, memoryLimitBytes }: DataPlace): Promise<Dataset> {
  const { data, config } = manifest;
  const rows = evenPart(data.counts.validation, rank, config.workers);
  return openPartitions(storage, data, "validation", { memoryLimitBytes, rows });
}

/** The model on its device, ready for its first step. */
async function compileReplica(
  { config, topology, loss, classWeights }: RunManifest,
  optimizer: Optimizer,
  batchSize: number,
  { rank, threads, startup }: Pick<EquipOptions, "rank" | "threads" | "startup">,
): Promise<RunDevice & { replica: Replica; step: Step }> {
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
