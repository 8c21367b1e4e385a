// Has a data set in storage: finds what its name means, and imports it unless storage has it.

import type { Storage } from "../storage/storage.ts";
import { importRows, type ImportOptions } from "./import/import-rows.ts";
import { openSource, type OpenOptions } from "./known.ts";
import { readManifest, type DataManifest } from "./manifest.ts";
import { fingerprint, type Source } from "./source.ts";

/**
 * The manifest of the data set that `spec` names, written to storage if it is not there. A source that storage has seen
 * is recognised by the hash of its files and is not decoded again.
 * @throws what `openSource`, reading the source and `importRows` throw; "data-manifest-damaged".
 */
export async function ensurePartitions(
  storage: Storage,
  spec: string,
  options: OpenOptions & ImportOptions,
): Promise<DataManifest> {
  return importSource(storage, await openSource(spec, options), options);
}

/** As `ensurePartitions`, of a source. Safe to repeat and to run concurrently. */
export async function importSource(
  storage: Storage,
  source: Source,
  options: ImportOptions = {},
): Promise<DataManifest> {
  const { id, sizeBytes: sourceBytes } = await fingerprint(source);
  const stored = await readManifest(storage, id);
  if (stored) return stored;
  const { name, transform } = source;
  const rows = await source.open();
  return importRows({ storage, id, name, source: source.source, rows, transform, sourceBytes }, options);
}
