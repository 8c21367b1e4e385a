// Reads files of test/data/fixtures/ as the import does: found out by content, and in blocks.

import { join } from "node:path";
import { rowElements, type Split } from "../../../src/data/dataset.ts";
import type { RowFacts, RowReader } from "../../../src/data/rows.ts";
import type { PathOptions } from "../../../src/data/applicable-options.ts";
import { pathSource } from "../../../src/data/sources/path.ts";

export const FIXTURES = join(import.meta.dirname, "..", "fixtures");

export interface ReadRows {
  readonly facts: RowFacts;
  readonly features: readonly number[];
  readonly labels: readonly number[];
  /** Row by row. */
  readonly rows: readonly (readonly number[])[];
}

export async function readAll(reader: RowReader): Promise<ReadRows> {
  const features: number[] = [];
  const labels: number[] = [];
  for await (const block of reader.read()) {
    if ("rowStarts" in block.features) throw new Error("expected dense rows");
    if (block.labels.length !== block.count) throw new Error("expected a label per row");
    for (const value of block.features) features.push(value);
    labels.push(...block.labels);
  }
  const facts = reader.facts();
  const width = rowElements(facts.featureShape);
  const rows = labels.map((_, row) => features.slice(row * width, (row + 1) * width));
  if (features.length !== width * labels.length) throw new Error("expected rows of the width in the facts");
  return { facts, features, labels, rows };
}

/** The rows of a source without a split of its own. */
export async function readPath(path: string, options?: PathOptions): Promise<ReadRows> {
  const rows = await (await pathSource(path, options)).open();
  if ("train" in rows) throw new Error(`${path}: expected no split`);
  return readAll(rows);
}

/** The rows of a source with its own split. */
export async function readSplits(path: string, options?: PathOptions): Promise<Record<Split, ReadRows>> {
  const rows = await (await pathSource(path, options)).open();
  if (!("train" in rows)) throw new Error(`${path}: expected a split`);
  return { train: await readAll(rows.train), validation: await readAll(rows.validation) };
}
