// What has been written, block by block, becomes a data set: its statistics, and last the manifest, which makes it one.

import { sha256 } from "../../sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import type { DatasetInfo, Split, Task, Transform } from "../dataset.ts";
import {
  MANIFEST_SCHEMA_VERSION,
  manifestKey,
  statisticsKey,
  type DataBlock,
  type DataManifest,
} from "../manifest.ts";
import type { LabelMeaning, RowFacts } from "../rows.ts";
import type { BlockWriter } from "./block-writer.ts";
import type { FeatureStatistics } from "./statistics.ts";

/** A split, or a part of it, in storage. */
export interface WrittenRows {
  readonly blocks: readonly DataBlock[];
  readonly count: number;
  /** By class index. */
  readonly classCounts: readonly number[];
  readonly maxRowNonZeros: number;
  /** Of all its rows, in hex. */
  readonly hash: string;
}

export interface Publication {
  readonly storage: Storage;
  readonly id: string;
  readonly name: string;
  /** For people. */
  readonly source: string;
  readonly facts: RowFacts;
  readonly transform: Transform;
  readonly splits: Readonly<Record<Split, WrittenRows>>;
  /** Of the training rows. */
  readonly statistics: FeatureStatistics;
}

const TASKS: Readonly<Record<LabelMeaning["kind"], Task>> = {
  classes: "classification",
  targets: "regression",
  "next-token": "next-token",
};

/** What a writer has written; it is finished by this. */
export async function finishRows(writer: BlockWriter): Promise<WrittenRows> {
  const hash = await writer.finish();
  const { blocks, count, classCounts, maxRowNonZeros } = writer;
  return { blocks, count, classCounts, maxRowNonZeros, hash };
}

/** Safe to repeat: what is there stays. @throws what storage throws */
export async function publish(publication: Publication): Promise<DataManifest> {
  const { storage, id, name, source, facts, transform, splits, statistics } = publication;
  const { featureShape, featureType, featureNames, labels, skippedRecords } = facts;
  const info: Omit<DatasetInfo, "source" | "contentHash"> = {
    ...{ name, task: TASKS[labels.kind] },
    ...classesOf(labels),
    ...{ featureShape, transform },
  };
  const bySplit = <T>(of: (rows: WrittenRows) => T) => ({
    train: of(splits.train),
    validation: of(splits.validation),
  });
  const hashes = bySplit(({ hash }) => hash);
  const manifest: DataManifest = {
    ...{ schemaVersion: MANIFEST_SCHEMA_VERSION, id, ...info, source },
    contentHash: sha256().update(JSON.stringify({ info, hashes })).digest("hex"),
    featureType,
    counts: bySplit(({ count }) => count),
    classCounts: bySplit(({ classCounts }) => classCounts),
    ...(featureType === "csr" && {
      maxRowNonZeros: Math.max(splits.train.maxRowNonZeros, splits.validation.maxRowNonZeros),
    }),
    ...(featureNames && { featureNames }),
    skippedRecords,
    blocks: bySplit(({ blocks }) => blocks),
  };
  await storage.put(statisticsKey(id), [Buffer.from(JSON.stringify(statistics))], { ifAbsent: true });
  const bytes = Buffer.from(JSON.stringify(manifest, undefined, 1));
  await storage.put(manifestKey(id), [bytes], { ifAbsent: true });
  return manifest;
}

function classesOf(labels: LabelMeaning): Pick<DatasetInfo, "classes" | "classNames"> {
  if (labels.kind === "targets") return { classes: 0 };
  if (labels.kind === "next-token")
    return { classes: labels.vocabulary.length, classNames: labels.vocabulary };
  return { classes: labels.values.length, ...(labels.names && { classNames: labels.names }) };
}
