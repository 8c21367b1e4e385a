// What is known of a stored data set, for `sltrain data show`: its manifest, its statistics, its runs, its first rows.

import { findDataset } from "../data/catalogue.ts";
import { rowElements } from "../data/dataset.ts";
import { isSparse } from "../data/feature-rows.ts";
import { statisticsKey, type DataManifest } from "../data/manifest.ts";
import type { FeatureStatistics } from "../data/import/statistics.ts";
import { decoderOf } from "../data/vocabulary.ts";
import { openPartitions } from "../data/reader.ts";
import { getJson } from "../run/json-object.ts";
import type { Storage } from "../storage/storage.ts";
import { runsByDataset } from "./data-use.ts";

export interface SampleRow {
  /** The class's name or number, or the target; null where the row itself is what is predicted. */
  readonly label: string | number | null;
  /** Stored values from the first on; of sparse rows [column, value] of what is not zero. */
  readonly features: readonly (number | readonly [column: number, value: number])[];
  /** Of tokens: what they say. */
  readonly text?: string;
}

export interface DataDescription extends Omit<DataManifest, "blocks"> {
  readonly names: readonly string[];
  readonly runs: readonly string[];
  readonly blocks: Readonly<Record<"train" | "validation", number>>;
  /** Of the rows in memory, and of the objects in storage. */
  readonly bytes: number;
  readonly storedBytes: number;
  /** Of sparse rows: the share of values that are not zero. */
  readonly density: number | null;
  readonly statistics: FeatureStatistics | null;
  /** Of the training split, in the order in which it is stored: a random one. */
  readonly samples: readonly SampleRow[];
}

/** @throws SltrainError "data-unknown", and what loading rows throws */
export async function describeData(
  storage: Storage,
  nameOrId: string,
  samples: number,
): Promise<DataDescription> {
  const { manifest, names } = await findDataset(storage, nameOrId);
  const { blocks, ...facts } = manifest;
  const all = [...blocks.train, ...blocks.validation];
  const total = (of: (block: (typeof all)[number]) => number) =>
    all.reduce((sum, block) => sum + of(block), 0);
  const rows = manifest.counts.train + manifest.counts.validation;
  return {
    ...facts,
    names,
    runs: (await runsByDataset(storage)).get(manifest.id) ?? [],
    blocks: { train: blocks.train.length, validation: blocks.validation.length },
    bytes: total(({ bytes }) => bytes),
    storedBytes: total(({ storedBytes }) => storedBytes),
    density:
      manifest.featureType === "csr"
        ? total(({ nonZeros }) => nonZeros) / rows / rowElements(manifest.featureShape)
        : null,
    statistics: (await getJson<FeatureStatistics>(storage, statisticsKey(manifest.id))) ?? null,
    samples: await sampleRows(storage, manifest, Math.min(samples, manifest.counts.train)),
  };
}

async function sampleRows(storage: Storage, manifest: DataManifest, count: number): Promise<SampleRow[]> {
  if (count === 0) return [];
  const { features, labels } = await openPartitions(storage, manifest, "train", {
    rows: { begin: 0, end: count },
  });
  const width = rowElements(manifest.featureShape);
  const labelOf = (row: number): SampleRow["label"] => {
    const label = labels[row];
    if (label === undefined) return null;
    return manifest.task === "classification" ? (manifest.classNames?.[label] ?? label) : label;
  };
  return Array.from({ length: count }, (_, row) => {
    if (!isSparse(features)) {
      const values = [...features.subarray(row * width, (row + 1) * width)];
      return {
        ...{ label: labelOf(row), features: values },
        ...(manifest.task === "next-token" && { text: textOf(values, manifest.classNames!) }),
      };
    }
    const { rowStarts, columns, values } = features;
    const begin = rowStarts[row]!;
    const pairs = Array.from(
      { length: rowStarts[row + 1]! - begin },
      (_, i) => [columns[begin + i]!, values[begin + i]!] as const,
    );
    return { label: labelOf(row), features: pairs };
  });
}

/** A character of several bytes that a row's end cuts is left out. */
function textOf(tokens: readonly number[], vocabulary: readonly string[]): string {
  return tokens.map(decoderOf(vocabulary)).join("");
}
