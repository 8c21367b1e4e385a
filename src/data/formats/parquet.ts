// Parquet (parquet.apache.org/docs/file-format): a table of typed columns, read one row group at a time. Columns of numbers
// become f32 features, one column the label. hyparquet decodes; zstd, gzip and brotli are Node's own.

import { open } from "node:fs/promises";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { AsyncBuffer, Compressors, DecodedArray, FileMetaData, SchemaElement } from "hyparquet";
import { SltrainError } from "../../errors.ts";
import type { Format, OnBytes, OpenFormat, ReadOptions } from "../format.ts";
import type { RowBlock, RowReader } from "../rows.ts";
import { keepRows, type DenseBlock } from "./finite-rows.ts";
import { LabelColumn } from "./labels.ts";
import { labelColumnOf } from "./table-columns.ts";

const BLOCK_BYTES = 2 ** 20;
/** What hyparquet and Node decompress. */
const CODECS = ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI"];

const COMPRESSORS: Compressors = {
  GZIP: (input, outputLength) => gunzipSync(input, { maxOutputLength: outputLength }),
  ZSTD: (input, outputLength) => zstdDecompressSync(input, { maxOutputLength: outputLength }),
  BROTLI: (input, outputLength) => brotliDecompressSync(input, { maxOutputLength: outputLength }),
};

export const parquetFormat: Format = {
  name: "parquet",
  description: "Parquet table (.parquet) with columns of numbers and a label column",
  matches: (head) => Buffer.from(head.subarray(0, 4)).toString("latin1") === "PAR1",
  takes: ["onBadRecord", "labelColumn", "labelKind"],
  open: ({ path, sizeBytes }, options) => openParquet(path, sizeBytes, options),
};

interface Column {
  readonly name: string;
  readonly isLabel: boolean;
}

async function openParquet(
  path: string,
  sizeBytes: number,
  { labelColumn, labelKind, onBadRecord, onBytes }: OpenFormat,
): Promise<RowReader> {
  const { parquetMetadataAsync } = await import("hyparquet");
  const metadata = await withFile(path, sizeBytes, (file) => parquetMetadataAsync(file));
  const elements = metadata.schema.slice(1);
  const top = topLevel(elements, metadata.schema[0]?.num_children ?? 0);
  const label = labelColumnOf(
    top.map(({ name }) => name),
    labelColumn,
    path,
  );
  refuseMeaningless(path, top, label);
  refuseCodecs(path, metadata);
  const columns = top.map(({ name }, c): Column => ({ name, isLabel: c === label }));
  const labelName = columns[label]!.name;
  const seen = new LabelColumn();
  let skippedRecords = 0;

  async function* read(): AsyncGenerator<RowBlock> {
    const width = columns.length - 1;
    let done = 0;
    for (const { num_rows } of metadata.row_groups) {
      const count = Number(num_rows);
      const job = { metadata, columns, begin: done, count, seen, onBadRecord, onBytes };
      const group = await readGroup(path, sizeBytes, job);
      skippedRecords += count - group.count;
      const blockRows = Math.max(1, Math.floor(BLOCK_BYTES / (4 * width)));
      for (let row = 0; row < group.count; row += blockRows) {
        const end = Math.min(group.count, row + blockRows);
        yield {
          count: end - row,
          features: group.features.slice(row * width, end * width),
          labels: group.labels.slice(row, end),
        };
      }
      done += count;
    }
  }

  return {
    read,
    facts: () => ({
      featureShape: [columns.length - 1],
      featureType: "f32",
      labels: seen.meaningOfTable(
        `${path}: column "${labelName}"`,
        /^(label|class)$/i.test(labelName),
        labelKind,
      ),
      featureNames: columns.filter(({ isLabel }) => !isLabel).map(({ name }) => name),
      skippedRecords,
    }),
  };
}

interface GroupJob {
  readonly metadata: FileMetaData;
  readonly columns: readonly Column[];
  /** Rows of the file. */
  readonly begin: number;
  readonly count: number;
  readonly seen: LabelColumn;
  readonly onBadRecord: ReadOptions["onBadRecord"];
  readonly onBytes: OnBytes | undefined;
}

/**
 * A row group, column by column, so that no more than one decoded column is in memory beside the rows; the label last, for
 * a row that is left out has none that counts.
 */
async function readGroup(
  path: string,
  sizeBytes: number,
  { metadata, columns, begin, count, seen, onBadRecord, onBytes }: GroupJob,
): Promise<DenseBlock> {
  const { parquetScan } = await import("hyparquet");
  const features = new Float32Array(count * (columns.length - 1));
  const labels = new Float64Array(count);
  /** 1 for a row with a value that is no number. */
  const isBad = new Uint8Array(count);
  const read = async (file: AsyncBuffer): Promise<void> => {
    const scan = await parquetScan({ file, metadata, compressors: COMPRESSORS, geoparquet: false });
    const valuesOf = async (name: string): Promise<DecodedArray> => {
      const values = await scan.readColumn({ column: name, rowStart: begin, rowEnd: begin + count });
      if (values.length === count) return values;
      throw damaged(path, `${values.length} rows of column "${name}", ${count} wanted`);
    };
    const bad = (name: string, row: number, value: unknown) => {
      if (onBadRecord === "fail") throw nonFinite(`${path}: column "${name}"`, begin + row, value);
      isBad[row] = 1;
    };
    const featureColumns = columns.filter(({ isLabel }) => !isLabel);
    for (const [column, { name }] of featureColumns.entries()) {
      const values = await valuesOf(name);
      for (let row = 0, to = column; row < count; row++, to += featureColumns.length) {
        features[to] = numberOf(values[row]);
        if (!Number.isFinite(features[to])) bad(name, row, values[row]);
      }
    }
    const { name } = columns.find(({ isLabel }) => isLabel)!;
    const values = await valuesOf(name);
    for (let row = 0; row < count; row++) {
      const value: unknown = values[row];
      if (isBad[row]) continue;
      if (typeof value === "string") {
        labels[row] = seen.addName(value, begin + row, `${path}: column "${name}"`);
        continue;
      }
      const number = numberOf(value);
      if (Number.isFinite(number)) labels[row] = seen.addNumber(number, begin + row, () => String(value));
      else bad(name, row, value);
    }
  };
  await withFile(path, sizeBytes, read, onBytes);
  return keepRows({ count, features, labels }, (row) => !isBad[row]);
}

/** NaN where there is no value. */
function numberOf(value: unknown): number {
  return value === null || value === undefined ? NaN : Number(value);
}

/** The schema is a tree in depth-first order; a table's columns are its first level. */
function topLevel(elements: readonly SchemaElement[], count: number): readonly SchemaElement[] {
  const top: SchemaElement[] = [];
  const skip = (at: number): number => {
    let next = at + 1;
    for (let child = 0; child < (elements[at]?.num_children ?? 0); child++) next = skip(next);
    return next;
  };
  for (let at = 0; top.length < count && at < elements.length; at = skip(at)) top.push(elements[at]!);
  return top;
}

const NUMERIC = new Set(["BOOLEAN", "INT32", "INT64", "FLOAT", "DOUBLE"]);

/** What the column holds, for people; undefined if it is numbers. */
function meaninglessType({
  type,
  num_children,
  repetition_type,
  logical_type,
  converted_type,
}: SchemaElement) {
  if (num_children || repetition_type === "REPEATED") return "nested values";
  const logical = logical_type?.type ?? converted_type;
  if (logical === "FLOAT16" || logical === "DECIMAL") return undefined;
  if (type !== undefined && NUMERIC.has(type) && (logical === undefined || /^U?INT/.test(logical)))
    return undefined;
  return logical ?? type ?? "nothing";
}

function refuseMeaningless(path: string, columns: readonly SchemaElement[], label: number): void {
  const wrong = columns.flatMap((column, c) => {
    const type = meaninglessType(column);
    const isName = c === label && (type === "STRING" || type === "UTF8" || type === "ENUM");
    return type === undefined || isName ? [] : [`"${column.name}" (${type})`];
  });
  if (wrong.length === 0) return;
  throw new SltrainError({
    code: "data-type",
    message: `${path}: expected columns of numbers, got ${wrong.join(", ")}`,
    suggestions: ["Leave these columns out, or encode them as numbers, before the file is written."],
  });
}

function refuseCodecs(path: string, { row_groups }: FileMetaData): void {
  const codecs = row_groups.flatMap(({ columns }) =>
    columns.map((column) => column.meta_data?.codec ?? "UNCOMPRESSED"),
  );
  const unknown = codecs.find((codec) => !CODECS.includes(codec));
  if (unknown === undefined) return;
  throw new SltrainError({
    code: "data-type",
    message: `${path}: expected pages packed by one of ${CODECS.join(", ")}, got ${unknown}`,
    suggestions: ["Write the table with compression='zstd'."],
  });
}

async function withFile<T>(
  path: string,
  sizeBytes: number,
  use: (file: AsyncBuffer) => Promise<T>,
  onBytes?: OnBytes,
): Promise<T> {
  const handle = await open(path);
  const file: AsyncBuffer = {
    byteLength: sizeBytes,
    slice: async (start, end = sizeBytes) => {
      const bytes = new Uint8Array(end - start);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      onBytes?.(bytesRead);
      return bytes.buffer.slice(0, bytesRead);
    },
  };
  try {
    return await use(file);
  } catch (cause) {
    throw cause instanceof SltrainError ? cause : damaged(path, (cause as Error).message, cause);
  } finally {
    await handle.close();
  }
}

function damaged(path: string, got: string, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "data-damaged",
    message: `${path}: expected a whole Parquet file, got one that is cut or broken: ${got}`,
    cause,
    suggestions: ["Write or fetch the file again."],
  });
}

function nonFinite(where: string, row: number, value: unknown): SltrainError {
  const got = typeof value === "number" || typeof value === "bigint" ? String(value) : "nothing";
  return new SltrainError({
    code: "data-nan",
    message: `${where}, row ${row}: expected a finite f32 number, got ${got}`,
    suggestions: [
      "Remove the row, or fill the value in, before the file is written.",
      "Leave such rows out: --on-bad-record skip",
    ],
  });
}
