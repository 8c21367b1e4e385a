// Which runs were trained on a data set: what `sltrain data ls` shows and `data rm` minds.

import { deleteDataset, findDataset, listUnfinished, type StoredDataset } from "../data/catalogue.ts";
import { SltrainError } from "../errors.ts";
import { getJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { RunManifest } from "../run/records.ts";
import { listRunIds } from "../run/registry.ts";
import type { Storage } from "../storage/storage.ts";

/** Run ids by the id of the data set. */
export async function runsByDataset(storage: Storage): Promise<ReadonlyMap<string, readonly string[]>> {
  const runs = new Map<string, string[]>();
  for (const runId of await listRunIds(storage)) {
    const manifest = await getJson<RunManifest>(storage, runKeys(runId).manifest);
    // Features, and what they were made of. A run of an older version names its data by another hash.
    for (const data of [manifest?.data, manifest?.extraction?.data]) {
      const { id } = (data ?? {}) as { readonly id?: string };
      if (id !== undefined) runs.set(id, [...(runs.get(id) ?? []), runId]);
    }
  }
  return runs;
}

/** Returns what was deleted. @throws SltrainError "data-unknown"; "data-in-use" naming the runs, unless `force` */
export async function removeData(storage: Storage, nameOrId: string, force: boolean): Promise<StoredDataset> {
  const dataset = await findDataset(storage, nameOrId);
  const runs = (await runsByDataset(storage)).get(dataset.manifest.id) ?? [];
  if (runs.length > 0 && !force) {
    const some = runs.slice(0, 5).join(", ") + (runs.length > 5 ? ` and ${runs.length - 5} more` : "");
    throw new SltrainError({
      code: "data-in-use",
      message: `${nameOrId}: expected a data set that no run uses, got one of ${some}`,
      suggestions: ["Runs cannot be resumed or evaluated without their data. If they need not be: --force."],
    });
  }
  await deleteDataset(storage, dataset);
  return dataset;
}

/** Deletes what imports and transformations left that did not come to their end: keys by the id that it would have had. */
export async function removeUnfinished(storage: Storage): Promise<ReadonlyMap<string, readonly string[]>> {
  const unfinished = await listUnfinished(storage);
  await storage.delete([...unfinished.values()].flat());
  return unfinished;
}
