// Before the first worker: data in storage, model checked against it, manifest written. An unfinished run is taken up
// again under a new attempt number.

import { randomBytes } from "node:crypto";
import { arch, cpus, platform, totalmem } from "node:os";
import { areParameterServers, forgetRun, parameterServers } from "../allreduce/parameter-servers.ts";
import type { TrainConfig } from "../config/schema.ts";
import type { ConfigSource } from "../config/resolve.ts";
import type { DataManifest } from "../data/manifest.ts";
import { batchesPerEpoch } from "../data/order.ts";
import { ensurePartitions } from "../data/partition.ts";
import { SltrainError } from "../errors.ts";
import { layoutsOf, parameterCount, type LossName } from "../models/build.ts";
import { formatTopology } from "../models/format-topology.ts";
import { loadModel } from "../models/load-model.ts";
import { optimizerOf } from "../optim/optimizer.ts";
import { frameBudget } from "../run/frame-budget.ts";
import { watchPace } from "../plan/watch-pace.ts";
import { getJson, putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import {
  RUN_SCHEMA_VERSION,
  type Heartbeat,
  type RunFailure,
  type RunManifest,
  type RunSummary,
} from "../run/records.ts";
import type { RequestPrices } from "../storage/prices.ts";
import type { Storage } from "../storage/storage.ts";
import { checkFunction } from "./check-function.ts";
import { checkReach } from "./check-reach.ts";
import { formatDuration } from "../units.ts";

/** After this long without a sign of life a worker is dead, and after so many beats that did not come. */
const ALIVE_MS = 5_000;
const ALIVE_BEATS = 2;

export interface PreparedRun {
  readonly manifest: RunManifest;
  readonly attempt: number;
}

export interface PrepareOptions {
  readonly storage: Storage;
  readonly config: TrainConfig;
  readonly sources: Readonly<Record<string, ConfigSource>>;
  readonly sltrainVersion: string;
}

/**
 * Throws "storage-unshared", "storage-unsupported", "too-many-workers", "out-of-memory", "timeout-too-short", "run-active", "run-completed", "run-differs", and what storage, data
 * and model throw; nothing of a refused run is left behind.
 */
export async function prepareRun(options: PrepareOptions): Promise<PreparedRun> {
  const { storage, config } = options;
  const { prices } = await checkReach(config);
  const existing =
    config.runId === undefined
      ? undefined
      : await getJson<RunManifest>(storage, runKeys(config.runId).manifest);
  return existing ? resumeRun(options, existing) : createRun(options, prices);
}

async function createRun(
  { storage, config, sltrainVersion }: PrepareOptions,
  prices: RequestPrices | undefined,
): Promise<PreparedRun> {
  const data = await ensurePartitions(storage, config.data, { seed: config.seed });
  const { train, validation } = data.counts;
  if (config.workers > Math.min(train, config.batchSize)) {
    const [what, limit] =
      train < config.batchSize ? ["training samples", train] : ["samples per batch", config.batchSize];
    throw new SltrainError({
      code: "too-many-workers",
      message: `--workers: expected at most one worker per sample, got ${config.workers} workers for ${limit} ${what}`,
      suggestions: [`Use --workers ${limit} or fewer, or a larger --batch-size.`],
    });
  }
  if (validation === 0) {
    throw new SltrainError({
      code: "data-empty",
      message: `${config.data}: expected validation samples, got none`,
    });
  }
  const loss = lossFor(data);
  const outputs = loss === "softmax-cross-entropy" ? data.classes : 1;
  const topology = await loadModel(config.model, {
    inputShape: data.featureShape,
    outputs,
    regression: data.task === "regression",
  });
  await checkFunction(config, data, { topology, loss, optimizer: optimizerOf(config) });
  const runId = config.runId ?? newRunId(config.model);
  const manifest: RunManifest = {
    schemaVersion: RUN_SCHEMA_VERSION,
    runId,
    createdAt: new Date().toISOString(),
    config,
    data,
    topology,
    loss,
    parameterCount: parameterCount(topology),
    frames: frameBudget({
      ...{ config, prices, ...layoutsOf(topology) },
      stepsPerEpoch: batchesPerEpoch(train, config.batchSize),
    }),
    versions: { sltrain: sltrainVersion, node: process.versions.node, v8: process.versions.v8 },
    machine: {
      cpu: cpus()[0]?.model ?? arch(),
      cores: cpus().length,
      memoryMiB: Math.round(totalmem() / 2 ** 20),
      platform: `${platform()}-${arch()}`,
    },
  };
  if ((await putJson(storage, runKeys(runId).manifest, manifest, { ifAbsent: true })) === "exists") {
    throw new SltrainError({
      code: "run-exists",
      message: `--run-id: expected a name of no other run, got ${runId}, which was started at the same time`,
      suggestions: ["Leave --run-id away: a unique one is made."],
    });
  }
  await storage.put(runKeys(runId).topology, [new TextEncoder().encode(formatTopology(topology))]);
  return { manifest, attempt: 0 };
}

/** Takes up an unfinished run; settings given now must be those it was started with. */
async function resumeRun(
  { storage, config, sources }: PrepareOptions,
  manifest: RunManifest,
): Promise<PreparedRun> {
  const { runId } = manifest;
  const keys = runKeys(runId);
  const summary = await getJson<RunSummary>(storage, keys.summary);
  if (summary?.status === "completed") {
    throw new SltrainError({
      code: "run-completed",
      message: `--run-id: expected a new or unfinished run, got ${runId}, which is completed`,
      suggestions: [`See it with \`sltrain runs show ${runId}\`, or choose another --run-id.`],
    });
  }
  const differences = (Object.keys(config) as (keyof TrainConfig)[]).filter(
    (key) =>
      sources[key] !== "default" &&
      // The same folder has another path from another folder.
      key !== "storage" &&
      JSON.stringify(config[key]) !== JSON.stringify(manifest.config[key]),
  );
  if (differences.length > 0) {
    const list = differences.map(
      (key) => `${key} was ${String(manifest.config[key])}, is ${String(config[key])}`,
    );
    throw new SltrainError({
      code: "run-differs",
      message: `run ${runId} exists with another configuration: ${list.join("; ")}`,
      suggestions: ["Resume it without these settings, or start a new run with another --run-id."],
    });
  }
  const ended = summary !== undefined || (await getJson<RunFailure>(storage, keys.failure)) !== undefined;
  if (!ended) await refuseIfActive(storage, manifest);
  await storage.delete([keys.stop, keys.summary, keys.failure]);
  const attempt = Math.max(0, ...(await attemptsOf(storage, runId))) + 1;
  const at = new Date().toISOString();
  if ((await putJson(storage, keys.attempt(attempt), { at }, { ifAbsent: true })) === "exists") {
    throw active(runId, "somebody else has just resumed it", ALIVE_MS);
  }
  // All ranks compute again what follows their checkpoint; servers may have dropped it.
  if (areParameterServers(config.channel)) {
    await forgetRun(parameterServers(config.channel, process.env), runId);
  }
  return { manifest, attempt };
}

async function attemptsOf(storage: Storage, runId: string): Promise<number[]> {
  const keys = await Array.fromAsync(storage.list(runKeys(runId).attempts));
  return keys.map((key) => Number(/(\d+)\.json$/.exec(key)?.[1]));
}

/** A run without an end whose coordinator has died may still have workers: two crews must not train one run. */
async function refuseIfActive(storage: Storage, { runId, createdAt, config }: RunManifest): Promise<void> {
  const keys = runKeys(runId);
  const attempt = Math.max(0, ...(await attemptsOf(storage, runId)));
  const resumed = await getJson<{ readonly at: string }>(storage, keys.attempt(attempt));
  const { beatMs } = watchPace(storage.capabilities.prices, config);
  const aliveMs = Math.max(ALIVE_MS, ALIVE_BEATS * beatMs);
  const signs = [{ who: "it was started", at: resumed?.at ?? createdAt }];
  for (let rank = 0; rank < config.workers; rank++) {
    const heartbeat = await getJson<Heartbeat>(storage, keys.heartbeat(attempt, rank, 0));
    if (heartbeat?.state === "training") signs.push({ who: `worker ${rank} was alive`, at: heartbeat.at });
  }
  for (const { who, at } of signs) {
    const ageMs = Date.now() - Date.parse(at);
    if (ageMs < aliveMs) throw active(runId, `${who} ${formatDuration(ageMs)} ago`, aliveMs - ageMs);
  }
}

function active(runId: string, why: string, leftMs: number): SltrainError {
  return new SltrainError({
    code: "run-active",
    message: `--run-id: expected a run that nobody trains, got ${runId}: ${why}`,
    suggestions: [
      `Wait for it to end; if it has just died, try again in ${Math.ceil(leftMs / 1000)} seconds.`,
    ],
  });
}

function lossFor(data: DataManifest): LossName {
  if (data.task === "regression") return "mean-squared-error";
  return data.classes > 2 ? "softmax-cross-entropy" : "sigmoid-cross-entropy";
}

/** Sorts by time: `20261122-235901-lenet5-3f9a`. */
function newRunId(model: string): string {
  const stamp = new Date().toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  const name = model
    .replace(/^.*\//, "")
    .replace(/\.json$/, "")
    .replace(/[^A-Za-z0-9-]/g, "-");
  return `${stamp}-${name}-${randomBytes(2).toString("hex")}`;
}
