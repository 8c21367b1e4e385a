// Before the first worker: data in storage, model checked against it, manifest written. An unfinished run is taken up
// again under a new attempt number.

import { randomBytes } from "node:crypto";
import { arch, cpus, platform, totalmem } from "node:os";
import type { TrainConfig } from "../config/schema.ts";
import type { ConfigSource } from "../config/resolve.ts";
import type { DataManifest } from "../data/manifest.ts";
import { ensurePartitions } from "../data/partition.ts";
import { SltrainError } from "../errors.ts";
import { parameterCount, type LossName } from "../models/build.ts";
import { formatTopology } from "../models/format-topology.ts";
import { loadModel } from "../models/load-model.ts";
import { getJson, putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import { RUN_SCHEMA_VERSION, type RunManifest, type RunSummary } from "../run/records.ts";
import type { Storage } from "../storage/storage.ts";

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

export async function prepareRun(options: PrepareOptions): Promise<PreparedRun> {
  const { storage, config } = options;
  const existing =
    config.runId === undefined
      ? undefined
      : await getJson<RunManifest>(storage, runKeys(config.runId).manifest);
  return existing ? resumeRun(options, existing) : createRun(options);
}

async function createRun({ storage, config, sltrainVersion }: PrepareOptions): Promise<PreparedRun> {
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
  const keys = runKeys(manifest.runId);
  const summary = await getJson<RunSummary>(storage, keys.summary);
  if (summary?.status === "completed") {
    throw new SltrainError({
      code: "run-completed",
      message: `--run-id: expected a new or unfinished run, got ${manifest.runId}, which is completed`,
      suggestions: [`See it with \`sltrain runs show ${manifest.runId}\`, or choose another --run-id.`],
    });
  }
  const differences = (Object.keys(config) as (keyof TrainConfig)[]).filter(
    (key) =>
      sources[key] !== "default" &&
      key !== "storage" &&
      JSON.stringify(config[key]) !== JSON.stringify(manifest.config[key]),
  );
  if (differences.length > 0) {
    const list = differences.map(
      (key) => `${key} was ${String(manifest.config[key])}, is ${String(config[key])}`,
    );
    throw new SltrainError({
      code: "run-differs",
      message: `run ${manifest.runId} exists with another configuration: ${list.join("; ")}`,
      suggestions: ["Resume it without these settings, or start a new run with another --run-id."],
    });
  }
  await storage.delete([keys.stop]);
  let attempt = 1;
  while (
    (await putJson(storage, keys.attempt(attempt), { at: new Date().toISOString() }, { ifAbsent: true })) ===
    "exists"
  ) {
    attempt++;
  }
  return { manifest, attempt };
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
