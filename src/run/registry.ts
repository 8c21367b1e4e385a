// The runs that a storage knows, read from what they left there.

import { nearestName } from "../nearest-name.ts";
import { SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { getJson, getJsonLines } from "./json-object.ts";
import { runKeys } from "./keys.ts";
import type { EpochMetrics, RunFailure, RunManifest, RunStatus, RunSummary } from "./records.ts";

export interface StoredRun {
  readonly manifest: RunManifest;
  readonly metrics: readonly EpochMetrics[];
  /** Both absent while the run goes on, or if its coordinator died. */
  readonly summary: RunSummary | undefined;
  readonly failure: RunFailure | undefined;
}

const MANIFEST_KEY = /^runs\/([^/]+)\/manifest\.json$/;

/** Run ids in lexicographic order, which for made-up ids is the order of time. */
export async function listRunIds(storage: Storage): Promise<string[]> {
  const ids: string[] = [];
  for await (const key of storage.list("runs/")) {
    const id = MANIFEST_KEY.exec(key)?.[1];
    if (id !== undefined) ids.push(id);
  }
  return ids;
}

/** Throws "run-unknown" with the nearest name. */
export async function readRun(storage: Storage, runId: string): Promise<StoredRun> {
  const keys = runKeys(runId);
  const manifest = await getJson<RunManifest>(storage, keys.manifest);
  if (!manifest) {
    const ids = await listRunIds(storage);
    const near = nearestName(runId, ids);
    throw new SltrainError({
      code: "run-unknown",
      message: `expected a run in ${storage.uri}, got ${JSON.stringify(runId)}`,
      suggestions:
        ids.length > 0
          ? [near === undefined ? "`sltrain runs ls` lists the runs." : `Did you mean ${near}?`]
          : ["No run is stored there; start one with `sltrain train`, or name the --storage that has it."],
    });
  }
  const metrics = await getJsonLines<EpochMetrics>(storage, keys.metrics);
  return {
    manifest,
    metrics,
    summary: await getJson<RunSummary>(storage, keys.summary),
    failure: await getJson<RunFailure>(storage, keys.failure),
  };
}

/** "unfinished": it goes on, or its coordinator died; `train --run-id` takes it up. */
export function statusOf(run: StoredRun): RunStatus | "unfinished" {
  return run.summary?.status ?? (run.failure ? "failed" : "unfinished");
}
