// A mapping over partitions by functions, from the provider that runs them to the data set, and what it cost.

import type { TrainConfig } from "../config/schema.ts";
import type { DataManifest } from "../data/manifest.ts";
import { SltrainError } from "../errors.ts";
import { credentialsToEnvironment } from "../storage/uri.ts";
import { checkStorage } from "./check-reach.ts";
import {
  MappingFunctions,
  type MappingProgress,
  type MappingTask,
  type MappingUse,
} from "./mapping-functions.ts";
import type { ProvidedRun, Provider } from "./provider.ts";
import { RunFunctions } from "./run-functions.ts";
import { lastLines, remediesFor } from "./worker-error.ts";

/** Of an id: enough to tell functions of one mapping from others. */
const NAME_LENGTH = 12;

export interface FunctionOptions {
  readonly config: Pick<
    TrainConfig,
    "storage" | "workers" | "memoryMiB" | "timeoutS" | "leaseMs" | "maxRestarts"
  >;
  readonly createProvider: (storageUri: string, dataId: string) => Provider;
}

/**
 * What `make` makes of stages that functions compute. Safe to repeat: parts that are computed are not computed again.
 * @throws SltrainError "storage-unshared", "function-died", what a function left as its failure, what the provider and
 * `onProgress` throw
 */
export async function mapOnFunctions(
  task: MappingTask,
  { config, createProvider }: FunctionOptions,
  onProgress: (progress: MappingProgress) => void,
  make: (run: MappingFunctions["run"]) => Promise<DataManifest>,
): Promise<{ readonly manifest: DataManifest; readonly use: MappingUse }> {
  const startedAt = new Date();
  const storage = credentialsToEnvironment(config.storage, process.env);
  await checkStorage(storage);
  const { workers, memoryMiB, timeoutS, leaseMs, maxRestarts } = config;
  const runId = `${task.job.kind}-${task.id.slice(0, NAME_LENGTH)}`;
  const run: ProvidedRun = { runId, storage, channel: storage, workers, memoryMiB, timeoutS };
  const provider = createProvider(storage, task.id);
  const functions = new RunFunctions(provider, run);
  const mapping = new MappingFunctions({
    ...{ ...task, functions, runId, workers, memoryMiB, timeoutS, leaseMs, maxRestarts, onProgress },
  });
  const manifest = await make(mapping.run)
    .catch(async (error: unknown) => {
      throw await explained(error, provider, runId, startedAt);
    })
    .finally(async () => {
      await functions.close();
      await provider.close();
    });
  await mapping.clear();
  return { manifest, use: mapping.use };
}

/** A death with what the functions printed last. */
async function explained(error: unknown, provider: Provider, runId: string, since: Date): Promise<unknown> {
  if (!(error instanceof SltrainError) || error.code !== "function-died") return error;
  const lines = await lastLines({ provider, runId, since });
  return new SltrainError({
    code: error.code,
    message: `${error.message}; their last log lines:\n${lines.map((line) => `  ${line}`).join("\n") || "  (none)"}`,
    suggestions: [
      ...remediesFor(lines),
      "Run the command again: it goes on from the parts that are computed.",
    ],
  });
}
