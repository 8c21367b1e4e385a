// `sltrain data export`: a stored data set, or rows that are made, as a file that other programs read.

import { extname } from "node:path";
import { findDataset } from "../data/catalogue.ts";
import type { Split } from "../data/dataset.ts";
import { openSource } from "../data/known.ts";
import type { DataManifest } from "../data/manifest.ts";
import type { OnProgress } from "../data/progress.ts";
import type { RowReader } from "../data/rows.ts";
import { storedRows } from "../data/stored-rows.ts";
import { writeRows, type RowFileFormat, type WriteOptions, type WrittenRows } from "../data/write-rows.ts";
import { assert, SltrainError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";

export const exportSplits = ["all", "train", "validation"] as const;

export interface ExportOptions {
  readonly storage: Storage;
  /** Name or id of a stored data set, or `synthetic:NAME`. */
  readonly data: string;
  readonly path: string;
  /** Default: by the path's extension. */
  readonly format: RowFileFormat | undefined;
  /** `all`: those to train on, then those to validate on. */
  readonly split: (typeof exportSplits)[number];
  /** Of rows that are made. */
  readonly rows: number | undefined;
  readonly seed: number;
  readonly onProgress: OnProgress;
}

export interface ExportedData extends WrittenRows {
  readonly format: RowFileFormat;
  readonly elapsedMs: number;
  /** Names of classes that the file has by their numbers alone. */
  readonly numberedClasses?: readonly string[];
}

const EXTENSIONS: Readonly<Record<string, RowFileFormat>> = {
  ".csv": "csv",
  ".libsvm": "libsvm",
  ".svm": "libsvm",
  ".npy": "npy",
};

/** @throws SltrainError "data-unknown", "data-export", "data-write", and what storage throws */
export async function exportData(options: ExportOptions): Promise<ExportedData> {
  const { path, onProgress } = options;
  const begin = performance.now();
  const format = options.format ?? formatOf(path);
  const { reader, manifest } = options.data.startsWith("synthetic:")
    ? await madeRows(options)
    : await storedData(options);
  const totalRows = splitsOf(options.split).reduce((sum, split) => sum + (manifest?.counts[split] ?? 0), 0);
  let rows = 0;
  const counted: RowReader = {
    facts: () => reader.facts(),
    async *read() {
      for await (const block of reader.read()) {
        yield block;
        onProgress({ phase: "writing", rows: (rows += block.count), totalRows });
      }
    },
  };
  const naming = namingOf(manifest, format);
  const written = await writeRows(naming.relabelled(counted), format, path, naming.options);
  const { numberedClasses } = naming;
  return {
    ...{ ...written, format, elapsedMs: performance.now() - begin },
    ...(numberedClasses && { numberedClasses }),
  };
}

interface Rows {
  readonly reader: RowReader;
  /** Of a stored data set. */
  readonly manifest?: DataManifest;
}

async function storedData({ storage, data, split, rows }: ExportOptions): Promise<Rows> {
  const { manifest } = await findDataset(storage, data);
  if (rows !== undefined) {
    throw refused(`${data}: expected --rows with rows that are made, got ${rows} of a stored data set`, [
      "Leave --rows out: all rows are written.",
    ]);
  }
  if (manifest.task === "next-token") throw tokens(data);
  return { manifest, reader: storedRows(storage, manifest, splitsOf(split)) };
}

/** The same that an import would read; nothing is stored. */
async function madeRows({ data, split, rows, seed }: ExportOptions): Promise<Rows> {
  const source = await openSource(data, { seed, rows });
  const made = await source.open();
  assert("train" in made, "what is made has both splits");
  const readers = splitsOf(split).map((of) => made[of]);
  const reader: RowReader = {
    async *read() {
      for (const each of readers) {
        for await (const block of each.read()) {
          if (block.labels.length === 0) throw tokens(data);
          yield block;
        }
      }
    },
    facts: () => readers[0]!.facts(),
  };
  return { reader };
}

function splitsOf(split: ExportOptions["split"]): readonly Split[] {
  return split === "all" ? ["train", "validation"] : [split];
}

interface Naming {
  readonly options: WriteOptions;
  /** With the labels that stand in the file. */
  relabelled(reader: RowReader): RowReader;
  readonly numberedClasses?: readonly string[];
}

/** Tables have classes by name. Elsewhere a class is a number: its name if that is one, else its place among the names. */
function namingOf(manifest: DataManifest | undefined, format: RowFileFormat): Naming {
  const { classNames, task, featureNames } = manifest ?? {};
  const columns = { columns: featureNames, labelColumn: task === "regression" ? "target" : "label" };
  const asTheyAre = { relabelled: (reader: RowReader) => reader, options: columns };
  if (classNames === undefined) return asTheyAre;
  if (format === "csv") return { ...asTheyAre, options: { ...columns, classNames } };
  const numbers = classNames.map((name) => (name.trim() === "" ? NaN : Number(name)));
  if (!numbers.every(Number.isFinite)) return { ...asTheyAre, numberedClasses: classNames };
  const relabelled = (reader: RowReader): RowReader => ({
    facts: () => reader.facts(),
    async *read() {
      for await (const block of reader.read()) {
        yield { ...block, labels: block.labels.map((index) => numbers[index]!) };
      }
    },
  });
  return { relabelled, options: columns };
}

function formatOf(path: string): RowFileFormat {
  const format = EXTENSIONS[extname(path).toLowerCase()];
  if (format !== undefined) return format;
  throw refused(`${path}: expected a file that ends in ${Object.keys(EXTENSIONS).join(", ")}, or --format`, [
    "Name the format: --format csv.",
  ]);
}

function tokens(data: string): SltrainError {
  return refused(`${data}: expected rows of features, got tokens of a text`, [
    "Take the text itself: tokens are its characters.",
  ]);
}

function refused(message: string, suggestions: readonly string[]): SltrainError {
  return new SltrainError({ code: "data-export", message, suggestions });
}
