// Rows of a source into storage as a data set: read once, split and shuffled, counted and measured, packed into blocks, and
// last the manifest. Blocks are put if absent, so any number of importers may do this at once, and one that dies half-way
// leaves what the next one completes. What it writes does not depend on the memory that it may use.

import { SltrainError } from "../../errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { rowElements, type Split, type Transform } from "../dataset.ts";
import type { DataManifest } from "../manifest.ts";
import type { FeatureType, LabelMeaning, RowFacts, RowReader, SourceRows } from "../rows.ts";
import type { ImportThreads } from "../threads/import-threads.ts";
import { BlockWriter } from "./block-writer.ts";
import { finishRows, publish } from "./publish.ts";
import { type GatherOptions, RowShuffle } from "./shuffle.ts";
import { type FeatureStatistics, Moments, standardisation } from "./statistics.ts";

export interface ImportJob {
  readonly storage: Storage;
  /** Of all that the rows depend on. */
  readonly id: string;
  readonly name: string;
  /** For people. */
  readonly source: string;
  readonly rows: SourceRows;
  /** Default: what standardises by the training rows; as they are, where they are sparse or tokens. */
  readonly transform?: Transform | undefined;
  /** Bytes on disk that the rows come from. */
  readonly sourceBytes: number;
}

export interface ImportOptions {
  /** What rows may take while they are shuffled; beyond it they go to disk. Default: see `memoryFor`. */
  readonly memoryBytes?: number | undefined;
  /** Default: the system's folder for temporary files. */
  readonly spillFolder?: string | undefined;
  /** Where text is parsed and blocks are packed. Default: on this thread. */
  readonly threads?: ImportThreads | undefined;
  /** Told now and then how many rows have been read. */
  readonly onRows?: ((rows: number) => void) | undefined;
  /** Then, how many of them have been written. */
  readonly onWritten?: ((rows: number, totalRows: number) => void) | undefined;
}

/** What rows of a large source may take: with the runtime itself and what it has yet to collect, less than 300 MB. */
const SPILLING_MEMORY_BYTES = 32 * 2 ** 20;
/** A source that is smaller, and than an eighth of the memory that is left, does not go to disk. */
const MAX_HELD_SOURCE_BYTES = 2 ** 30;

/** Rows take less memory than the text that they come from, and the copy on a disk takes longer than to parse it. */
function memoryFor(sourceBytes: number): number {
  const isSmall = sourceBytes <= Math.min(MAX_HELD_SOURCE_BYTES, process.availableMemory() / 8);
  return isSmall ? Math.max(sourceBytes, SPILLING_MEMORY_BYTES) : SPILLING_MEMORY_BYTES;
}

const MAX_VALIDATION_ROWS = 10_000;

/** @throws what reading the rows throws; "data-too-small", "data-shape", "data-label", "disk-full"; what storage throws. */
export async function importRows(job: ImportJob, options: ImportOptions = {}): Promise<DataManifest> {
  const shuffles: RowShuffle[] = [];
  const { threads } = options;
  const readAll = async (reader: RowReader, stream: string, memoryShare: number): Promise<RowShuffle> => {
    const memoryBytes = (options.memoryBytes ?? memoryFor(job.sourceBytes)) * memoryShare;
    const { spillFolder } = options;
    const shuffle = new RowShuffle({ stream, memoryBytes, expectedBytes: job.sourceBytes, spillFolder });
    shuffles.push(shuffle);
    for await (const block of reader.read(threads)) {
      await shuffle.add(block);
      options.onRows?.(shuffles.reduce((sum, { count }) => sum + count, 0));
    }
    return shuffle;
  };
  try {
    if (!("train" in job.rows)) {
      const all = await readAll(job.rows, "split", 1);
      refuseTooFew(job, all.count, 2);
      const packers = await packersFor([all], threads);
      return await writeDataset(
        { ...job, threads: packers, isFull: isFull(all, job.rows.facts()) },
        job.rows.facts(),
        undefined,
        (writers, gathering) => split(all, countedBy(options, all.count, writers), gathering),
      );
    }
    const { train, validation } = job.rows;
    const parts = {
      train: await readAll(train, "train", 3 / 4),
      validation: await readAll(validation, "validation", 1 / 4),
    };
    refuseTooFew(job, Math.min(parts.train.count, parts.validation.count), 1);
    const total = parts.train.count + parts.validation.count;
    return await writeDataset(
      {
        ...{ ...job, threads: await packersFor(shuffles, threads) },
        isFull: isFull(parts.train, train.facts()),
      },
      train.facts(),
      validation.facts(),
      async (all, gathering) => {
        const writers = countedBy(options, total, all);
        for (const part of ["validation", "train"] as const)
          await parts[part].forEachRun((...run) => writers[part].appendRun(...run), gathering);
      },
    );
  } finally {
    for (const shuffle of shuffles) await shuffle.close();
  }
}

/** Where rows had to go to disk, memory is what is short: threads that have parsed give theirs back instead of packing blocks. */
async function packersFor(
  shuffles: readonly RowShuffle[],
  threads: ImportThreads | undefined,
): Promise<ImportThreads | undefined> {
  if (!shuffles.some(({ isSpilled }) => isSpilled)) return threads;
  await threads?.close();
  return undefined;
}

/** Of a row's places: from here on CSR takes more bytes than dense f32, and products with it more time. */
const FULL_SHARE = 0.5;

/** Whether sparse rows are mostly full: they are stored dense, and their zeros are values like others. */
function isFull({ count, nonZeros }: RowShuffle, { featureType, featureShape }: RowFacts): boolean {
  const places = count * rowElements(featureShape);
  return featureType === "csr" && places > 0 && nonZeros >= places * FULL_SHARE;
}

type Writers = Readonly<Record<Split, BlockWriter>>;
/** Rows' way into their split. */
type Appenders = Readonly<Record<Split, Pick<BlockWriter, "appendRun">>>;

/** To tell of every row would take longer than to append it. */
const ROWS_A_WORD = 2 ** 12;

function countedBy({ onWritten }: ImportOptions, totalRows: number, writers: Writers): Appenders {
  if (!onWritten) return writers;
  let written = 0;
  const counted = (writer: BlockWriter): Pick<BlockWriter, "appendRun"> => ({
    appendRun(block, begin, end) {
      const before = written;
      written += end - begin;
      if (Math.floor(written / ROWS_A_WORD) > Math.floor(before / ROWS_A_WORD)) onWritten(written, totalRows);
      return writer.appendRun(block, begin, end);
    },
  });
  return { train: counted(writers.train), validation: counted(writers.validation) };
}

/** A tenth of the rows, at most 10,000, for validation: the first ones, as all are in random order. */
async function split(
  all: RowShuffle,
  { train, validation }: Appenders,
  gathering: GatherOptions,
): Promise<void> {
  const validationCount = Math.min(MAX_VALIDATION_ROWS, Math.ceil(all.count / 10));
  let seen = 0;
  await all.forEachRun((block, begin, end) => {
    const first = seen;
    seen += end - begin;
    if (first >= validationCount) return train.appendRun(block, begin, end);
    if (seen <= validationCount) return validation.appendRun(block, begin, end);
    const cut = begin + validationCount - first;
    return Promise.resolve(validation.appendRun(block, begin, cut)).then(() =>
      train.appendRun(block, cut, end),
    );
  }, gathering);
}

/** The data set that `fill` appends the rows of: blocks, statistics, and last the manifest. */
async function writeDataset(
  job: Omit<ImportJob, "rows" | "sourceBytes"> &
    Pick<ImportOptions, "threads"> & { readonly isFull: boolean },
  facts: RowFacts,
  validationFacts: RowFacts | undefined,
  fill: (writers: Writers, gathering: GatherOptions) => Promise<void>,
): Promise<DataManifest> {
  const { storage, id, name, source, threads, isFull } = job;
  const { labels } = facts;
  const featureType = isFull ? "f32" : facts.featureType;
  const featureShape = validationFacts ? commonShape(job, facts, validationFacts) : facts.featureShape;
  const perFeature = featureShape.length === 1 && featureType !== "u8" && labels.kind !== "next-token";
  const width = rowElements(featureShape);
  const moments = new Moments(width, perFeature);
  const writer = (of: Split) =>
    new BlockWriter({
      storage,
      id,
      split: of,
      labels,
      rowElements: width,
      threads,
      fillsRows: isFull,
      ...(of === "train" && { moments }),
    });
  const writers = { train: writer("train"), validation: writer("validation") };
  await fill(writers, { threads, denseWidth: isFull ? width : undefined });
  const splits = {
    train: await finishRows(writers.train),
    validation: await finishRows(writers.validation),
  };
  const statistics = moments.finish();
  return publish({
    ...{ storage, id, name, source, splits, statistics },
    facts: {
      ...{ ...facts, featureShape, featureType },
      skippedRecords: facts.skippedRecords + (validationFacts?.skippedRecords ?? 0),
    },
    transform: job.transform ?? defaultTransform(featureType, labels, statistics),
  });
}

/** Sparse rows are taken as they are: to centre them would fill them. */
function defaultTransform(
  featureType: FeatureType,
  labels: LabelMeaning,
  statistics: FeatureStatistics,
): Transform {
  if (featureType === "csr" || labels.kind === "next-token") return { scale: [1], offset: [0] };
  return standardisation(statistics);
}

/** Of both splits; sparse rows are as wide as the wider of them. */
function commonShape(
  { source }: Pick<ImportJob, "source">,
  train: RowFacts,
  validation: RowFacts,
): readonly number[] {
  if (train.featureType === "csr" && validation.featureType === "csr") {
    return [Math.max(train.featureShape[0]!, validation.featureShape[0]!)];
  }
  const describe = ({ featureShape, featureType, labels }: RowFacts) =>
    `${featureShape.join(" x ")} ${featureType} with ${labels.kind} as labels`;
  if (describe(train) === describe(validation)) {
    refuseUnknownClasses(source, train.labels, validation.labels);
    return train.featureShape;
  }
  throw new SltrainError({
    code: "data-shape",
    message: `${source}: expected validation rows as in training, ${describe(train)}, got ${describe(validation)}`,
    suggestions: ["Give both splits rows of one size and type."],
  });
}

function refuseUnknownClasses(source: string, train: LabelMeaning, validation: LabelMeaning): void {
  if (train.kind !== "classes" || validation.kind !== "classes") return;
  const known = new Set(train.values);
  const unknown = validation.values.find((value) => !known.has(value));
  if (unknown === undefined) return;
  throw new SltrainError({
    code: "data-label",
    message:
      `${source}: expected validation labels among the ${train.values.length} classes of the training rows, ` +
      `got ${validation.names?.[validation.values.indexOf(unknown)] ?? unknown}`,
    suggestions: ["Give the training rows examples of all classes, or remove those rows."],
  });
}

function refuseTooFew({ source }: ImportJob, count: number, least: number): void {
  if (count >= least) return;
  throw new SltrainError({
    code: "data-too-small",
    message:
      least === 1
        ? `${source}: expected at least a row to train on and one to validate on, got none`
        : `${source}: expected at least 2 rows, one to train on and one to validate on, got ${count}`,
    suggestions: ["Give a data set with more rows."],
  });
}
