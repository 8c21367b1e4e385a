// A whole run in this process: its ranks are workers as they run in functions, but tasks, and their channel is memory. No
// result depends on that, and nothing has to be started.

import { createMappingProvider } from "../../src/providers/create-provider.ts";
import { resolveTrainConfig } from "../../src/config/resolve.ts";
import { prepareRun } from "../../src/coordinator/prepare.ts";
import { getJsonLines } from "../../src/run/json-object.ts";
import { runKeys } from "../../src/run/keys.ts";
import {
  type EpochMetrics,
  RUN_SCHEMA_VERSION,
  type WorkerEvent,
  type WorkerResult,
} from "../../src/run/records.ts";
import { openStorage } from "../../src/storage/open.ts";
import { startCursor } from "../../src/worker/cursor.ts";
import { Invocation } from "../../src/worker/invocation.ts";
import { runWorker } from "../../src/worker/run-worker.ts";

export interface FinishedRun {
  /** By rank. */
  readonly results: readonly WorkerResult[];
  readonly epochs: readonly EpochMetrics[];
}

/** `flags` as on the command line; the storage is in `folder`. Throws where a worker does not end, or replicas differ. */
export async function trainInProcess(
  flags: Readonly<Record<string, unknown>>,
  folder: string,
): Promise<FinishedRun> {
  const { config, sources } = await resolveTrainConfig({
    flags: { ...flags, storage: `fs:${folder}` },
    env: { SLTRAIN_ZSTD: "off", SLTRAIN_THREADS: "1", SLTRAIN_CHECKPOINT_EVERY_STEPS: "1000000" },
    cwd: folder,
  });
  const { workers } = config;
  const storage = await openStorage(config.storage);
  const { manifest } = await prepareRun({
    createMappingProvider: (uri, id) => createMappingProvider(config, uri, id),
    storage,
    config,
    sources,
    sltrainVersion: "bench",
  });
  const { runId } = manifest;
  const events = Array.from({ length: workers }, (_, rank): WorkerEvent => {
    const channel = `memory:${runId}`;
    const member = { kind: "worker", rank, attempt: 0, workers, generation: 0, reason: "start" } as const;
    return { schemaVersion: RUN_SCHEMA_VERSION, runId, storage: config.storage, channel, ...member };
  });
  const context = {
    awsRequestId: "bench",
    memoryLimitInMB: "1769",
    getRemainingTimeInMillis: () => 900_000,
  };
  const ends = await Promise.all(
    events.map((event) =>
      runWorker({ event, manifest, invocation: new Invocation(context), storage, cursor: startCursor() }),
    ),
  );
  const results = ends.map((end) => {
    if (end.state !== "ended") throw new Error(`${runId}: expected an end, got ${end.state}`);
    return end.result;
  });
  if (new Set(results.map(({ parametersSha256 }) => parametersSha256)).size !== 1)
    throw new Error(`${runId}: expected equal replicas`);
  const epochs = await getJsonLines<EpochMetrics>(storage, runKeys(runId).metrics);
  await storage.close();
  return { results, epochs };
}
