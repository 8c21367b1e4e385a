// The table of contents of a data set in storage: what a worker needs to know to load rows, and nothing about sources.
// `data/<contentHash>/manifest.json` is written after all blocks, so that a manifest's blocks are all there.

import { SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { DatasetInfo, Split } from "./dataset.ts";

export const MANIFEST_SCHEMA_VERSION = 1;

export interface DataBlock {
  readonly key: string;
  readonly rows: number;
  /** Of the rows in memory; the stored object is smaller. */
  readonly bytes: number;
  /** Of the rows in memory. */
  readonly crc32: number;
}

export interface DataManifest extends DatasetInfo {
  readonly schemaVersion: typeof MANIFEST_SCHEMA_VERSION;
  readonly featureType: "u8" | "f32";
  readonly counts: Readonly<Record<Split, number>>;
  readonly blocks: Readonly<Record<Split, readonly DataBlock[]>>;
}

export function manifestKey(contentHash: string): string {
  return `data/${contentHash}/manifest.json`;
}

export function blockKey(contentHash: string, split: Split, index: number): string {
  return `data/${contentHash}/${split}-${String(index).padStart(5, "0")}.part`;
}

/** What to do about objects of a data set that are gone or damaged. */
export function rewriteSuggestion(storage: Storage, contentHash: string): string {
  return `Delete data/${contentHash}/ in ${storage.uri} and run again: the data set is then written anew.`;
}

/**
 * The manifest of a data set, or undefined if storage does not have it (yet).
 * @throws SltrainError "data-manifest-damaged" if it cannot be one.
 */
export async function readManifest(storage: Storage, contentHash: string): Promise<DataManifest | undefined> {
  const key = manifestKey(contentHash);
  const bytes = await storage.get({ key });
  if (!bytes) return undefined;
  const damaged = (problem: string, cause?: unknown) =>
    new SltrainError({
      code: "data-manifest-damaged",
      message: `${key} in ${storage.uri}: ${problem}`,
      cause,
      suggestions: [rewriteSuggestion(storage, contentHash)],
    });
  let manifest: Partial<DataManifest> | null | undefined;
  try {
    manifest = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as typeof manifest;
  } catch (cause) {
    throw damaged(`expected JSON, got ${bytes.length} bytes that are none`, cause);
  }
  if (manifest?.schemaVersion !== MANIFEST_SCHEMA_VERSION) {
    throw damaged(
      `expected schema version ${MANIFEST_SCHEMA_VERSION}, got ${String(manifest?.schemaVersion)}`,
    );
  }
  if (manifest.contentHash !== contentHash) {
    throw damaged(`expected the manifest of this hash, got that of ${String(manifest.contentHash)}`);
  }
  return manifest as DataManifest;
}
