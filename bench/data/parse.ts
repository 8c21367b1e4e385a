// Parsing of text formats: ours, csv-parse, and the plain loop that one would write, in turns, on the same bytes. All
// have to find the same rows, or the bench fails.

import type { parse as Parse } from "csv-parse";
import { SltrainError } from "../../src/errors.ts";
import type { ContentFile } from "../../src/data/format.ts";
import { csvFormat } from "../../src/data/formats/csv.ts";
import { libsvmFormat } from "../../src/data/formats/libsvm.ts";
import type { RowReader } from "../../src/data/rows.ts";
import { median } from "../statistics.ts";
import { cpuSeconds } from "./cpu-seconds.ts";
import { makeText, TEXT_CASES, type TextCase } from "./texts.ts";

export interface ParseRow {
  readonly name: string;
  readonly format: TextCase["format"];
  readonly description: string;
  readonly sizeBytes: number;
  readonly rows: number;
  /** Per second of one core: of the processor's time, whoever else runs beside. */
  readonly mbPerS: number;
  /** Of the plain loop: split, Number. */
  readonly splitMbPerS: number;
  /** Null where it cannot read the format. */
  readonly csvParseMbPerS: number | null;
  readonly vsSplit: number;
  readonly vsCsvParse: number | null;
}

export interface ParseOptions {
  readonly sizeBytes: number;
  readonly rounds: number;
}

/** What all contenders must agree on. */
interface Found {
  readonly rows: number;
  /** Over all features that are numbers, as f32. */
  readonly sum: number;
}

type Contender = (text: Uint8Array, textCase: TextCase) => Promise<Found> | Found;

/** @throws SltrainError "bench-wrong" if contenders find different rows */
export async function benchParse({ sizeBytes, rounds }: ParseOptions): Promise<ParseRow[]> {
  const rows: ParseRow[] = [];
  for (const textCase of TEXT_CASES)
    rows.push(await measure(textCase, makeText(textCase, sizeBytes), rounds));
  return rows;
}

async function measure(textCase: TextCase, text: Uint8Array, rounds: number): Promise<ParseRow> {
  const peer = textCase.format === "csv" ? await openCsvParse() : undefined;
  const contenders = { own: parseOwn, split: parseBySplit, ...(peer && { csvParse: peer }) };
  const seconds = new Map<string, number[]>();
  let wanted: Found | undefined;
  // The first round warms up.
  for (let round = -1; round < rounds; round++) {
    for (const [name, contender] of Object.entries<Contender>(contenders)) {
      const begin = cpuSeconds();
      const found = await contender(text, textCase);
      const taken = cpuSeconds() - begin;
      if (round >= 0) seconds.set(name, [...(seconds.get(name) ?? []), taken]);
      refuseDifferent(textCase, name, found, (wanted ??= found));
    }
  }
  const rate = (name: string) => {
    const taken = seconds.get(name);
    return taken === undefined ? null : text.length / 1e6 / median(taken);
  };
  const own = rate("own")!;
  const split = rate("split")!;
  const csvParse = rate("csvParse");
  const { name, format, description } = textCase;
  return {
    ...{ name, format, description, sizeBytes: text.length, rows: wanted!.rows },
    ...{ mbPerS: own, splitMbPerS: split, csvParseMbPerS: csvParse },
    ...{ vsSplit: own / split, vsCsvParse: csvParse === null ? null : own / csvParse },
  };
}

function refuseDifferent({ name, hashBits }: TextCase, contender: string, got: Found, wanted: Found): void {
  // Words are hashed by us alone: the others count their letters.
  const same =
    got.rows === wanted.rows &&
    (hashBits !== undefined || Math.abs(got.sum - wanted.sum) < 1e-6 * (1 + Math.abs(wanted.sum)));
  if (same) return;
  throw new SltrainError({
    code: "bench-wrong",
    message: `${name}: expected ${wanted.rows} rows with the sum ${wanted.sum}, got ${got.rows} with ${got.sum} of ${contender}`,
  });
}

function fileOf(text: Uint8Array, path: string): ContentFile {
  return {
    path,
    sizeBytes: text.length,
    head: text.subarray(0, 65_536),
    // eslint-disable-next-line @typescript-eslint/require-await
    async *content() {
      for (let at = 0; at < text.length; at += 2 ** 20) yield text.subarray(at, at + 2 ** 20);
    },
    bytes: () => Promise.resolve(text),
  };
}

async function parseOwn(text: Uint8Array, { name, format, hashBits }: TextCase): Promise<Found> {
  const { [format]: parser } = { csv: csvFormat, libsvm: libsvmFormat };
  // Neither comes with a split of its own.
  const reader = (await parser.open(fileOf(text, name), { onBadRecord: "fail", hashBits })) as RowReader;
  let rows = 0;
  let sum = 0;
  for await (const { count, features } of reader.read()) {
    rows += count;
    sum += sumOf(ArrayBuffer.isView(features) ? (features as Float32Array) : features.values);
  }
  return { rows, sum };
}

function sumOf(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}

const decoder = new TextDecoder();

function parseBySplit(text: Uint8Array, { format }: TextCase): Found {
  let rows = 0;
  let sum = 0;
  const rowOf = format === "csv" ? cellsOf : pairsOf;
  const piece = 2 ** 20;
  let rest = "";
  for (let at = 0; at < text.length; at += piece) {
    const lines = (rest + decoder.decode(text.subarray(at, at + piece))).split("\n");
    rest = lines.pop()!;
    rows += lines.length;
    for (const line of lines) sum += sumOf(rowOf(line));
  }
  return { rows, sum };
}

function cellsOf(line: string): Float32Array {
  const cells = line.split(line.includes("\t") ? "\t" : ",");
  cells.pop();
  return Float32Array.from(cells, Number);
}

function pairsOf(line: string): Float32Array {
  const pairs = line.split(" ");
  const columns = new Uint32Array(pairs.length - 1);
  const values = new Float32Array(pairs.length - 1);
  for (let i = 1; i < pairs.length; i++) {
    const [column, value] = pairs[i]!.split(":");
    columns[i - 1] = Number(column);
    values[i - 1] = Number(value);
  }
  return values;
}

/** Undefined where it is not installed: whoever uses sltrain does not need it. */
async function openCsvParse(): Promise<Contender | undefined> {
  try {
    const { parse } = await import("csv-parse");
    return (text, textCase) => parseByCsvParse(parse, text, textCase);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

async function parseByCsvParse(
  parse: typeof Parse,
  text: Uint8Array,
  { hashBits }: TextCase,
): Promise<Found> {
  let rows = 0;
  let sum = 0;
  const parser = parse({ delimiter: hashBits === undefined ? "," : "\t" });
  const reading = (async () => {
    for await (const record of parser as AsyncIterable<string[]>) {
      rows++;
      record.pop();
      sum += sumOf(Float32Array.from(record, Number));
    }
  })();
  for (let at = 0; at < text.length; at += 2 ** 16) {
    if (!parser.write(text.subarray(at, at + 2 ** 16))) {
      await new Promise((resolve) => parser.once("drain", resolve));
    }
  }
  parser.end();
  await reading;
  return { rows, sum };
}
