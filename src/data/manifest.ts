// The table of contents of a data set in storage: what a worker needs to know to load rows, and nothing about sources.
// `data/<id>/manifest.json` is written after all blocks, so that a manifest's blocks are all there.

import { assert, SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { LabelType } from "./block.ts";
import type { DatasetInfo, Split, Task } from "./dataset.ts";
import type { FeatureType, LabelMeaning } from "./rows.ts";

export const MANIFEST_SCHEMA_VERSION = 2;

export interface DataBlock {
  readonly key: string;
  readonly rows: number;
  /** Of the rows in memory. */
  readonly bytes: number;
  /** Of the object. */
  readonly storedBytes: number;
  /** Of sparse rows; 0 for dense ones. */
  readonly nonZeros: number;
  /** Of the rows in memory. */
  readonly crc32: number;
}

export interface DataManifest extends DatasetInfo {
  readonly schemaVersion: typeof MANIFEST_SCHEMA_VERSION;
  /** Of the source and of how it was read: where its objects lie, known before the first row is. */
  readonly id: string;
  readonly featureType: FeatureType;
  readonly counts: Readonly<Record<Split, number>>;
  readonly blocks: Readonly<Record<Split, readonly DataBlock[]>>;
  /** Rows by class index; empty where there are no classes. */
  readonly classCounts: Readonly<Record<Split, readonly number[]>>;
  /** The most non-zeros that a row has, over both splits; of sparse rows only. */
  readonly maxRowNonZeros?: number;
  readonly featureNames?: readonly string[];
  /** Records that were left out because they are bad. */
  readonly skippedRecords: number;
}

/** How labels of a task are stored. */
export const LABEL_TYPES: Readonly<Record<Task, LabelType>> = {
  classification: "i32",
  regression: "f32",
  "next-token": "none",
};

/** Stored labels are class indices or targets. Not of tokens, whose rows say all themselves. */
export function storedLabels({ task, classes, classNames }: DataManifest): LabelMeaning {
  assert(task !== "next-token", "labels of tokens");
  if (task === "regression") return { kind: "targets" };
  const values = Array.from({ length: classes }, (_, index) => index);
  return { kind: "classes", values, ...(classNames && { names: classNames }) };
}

export function manifestKey(id: string): string {
  return `data/${id}/manifest.json`;
}

export function blockKey(id: string, split: Split, index: number): string {
  return `data/${id}/${split}-${String(index).padStart(5, "0")}.part`;
}

export function statisticsKey(id: string): string {
  return `data/${id}/statistics.json`;
}

/** What to do about objects of a data set that are gone or damaged. */
export function rewriteSuggestion(storage: Storage, id: string): string {
  return `Delete data/${id}/ in ${storage.uri} and run again: the data set is then written anew.`;
}

/**
 * The manifest of a data set, or undefined if storage does not have it (yet).
 * @throws SltrainError "data-manifest-damaged" if it cannot be one.
 */
export async function readManifest(storage: Storage, id: string): Promise<DataManifest | undefined> {
  const key = manifestKey(id);
  const bytes = await storage.get({ key });
  if (!bytes) return undefined;
  const damaged = (problem: string, cause?: unknown) =>
    new SltrainError({
      code: "data-manifest-damaged",
      message: `${key} in ${storage.uri}: ${problem}`,
      cause,
      suggestions: [rewriteSuggestion(storage, id)],
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
  if (manifest.id !== id)
    throw damaged(`expected the manifest of this data set, got that of ${String(manifest.id)}`);
  return manifest as DataManifest;
}
