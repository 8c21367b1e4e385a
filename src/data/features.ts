// Features alone, for predictions: the files that `--data` takes, with or without their labels.

import { assert, SltrainError } from "../errors.ts";
import { openContent } from "./content-file.ts";
import { rowElements } from "./dataset.ts";
import { isSparse } from "./feature-rows.ts";
import type { ContentFile } from "./format.ts";
import { openCsvFeatures } from "./formats/csv.ts";
import { libsvmFormat } from "./formats/libsvm.ts";
import { looksLikeIdx, readIdxFeatures } from "./formats/idx.ts";
import type { CsrRows, DenseRows, FeatureRows, RowReader } from "./rows.ts";

/** Predictions are made of what fits into memory. */
const MAX_BYTES = 2 ** 31 - 1;

export interface Features {
  readonly count: number;
  /** As stored, dense or sparse: a data set's transform is not applied. */
  readonly features: FeatureRows;
}

/**
 * Reads IDX (.gz) or CSV (.gz) rows of `featureShape`, or LibSVM rows of any features.
 * @throws SltrainError as the readers of these formats, and "data-mismatch" naming both shapes.
 */
export async function readFeatures(path: string, featureShape: readonly number[]): Promise<Features> {
  const file = await openContent(path);
  if (libsvmFormat.matches(file.head, file.path)) return sparseRows(file);
  const width = rowElements(featureShape);
  const features = looksLikeIdx(file.head) ? await idxRows(file, featureShape) : await csvRows(file, width);
  return { count: features.length / width, features };
}

async function sparseRows(file: ContentFile): Promise<Features> {
  const blocks: CsrRows[] = [];
  const reader = (await libsvmFormat.open(file, { onBadRecord: "fail" })) as RowReader;
  for await (const { features } of reader.read()) {
    assert(isSparse(features), "LibSVM rows came dense");
    blocks.push(features);
  }
  const nonZeros = blocks.reduce((sum, { values }) => sum + values.length, 0);
  const count = blocks.reduce((sum, { rowStarts }) => sum + rowStarts.length - 1, 0);
  const all = {
    rowStarts: new Uint32Array(count + 1),
    columns: new Uint32Array(nonZeros),
    values: new Float32Array(nonZeros),
  };
  let [row, at] = [0, 0];
  for (const { rowStarts, columns, values } of blocks) {
    all.columns.set(columns, at);
    all.values.set(values, at);
    for (let i = 1; i < rowStarts.length; i++) all.rowStarts[++row] = at + rowStarts[i]!;
    at += values.length;
  }
  return { count, features: all };
}

async function idxRows(file: ContentFile, featureShape: readonly number[]): Promise<DenseRows> {
  const { row, values } = await readIdxFeatures(file, MAX_BYTES);
  if (rowElements(row) === rowElements(featureShape)) return values;
  throw new SltrainError({
    code: "data-mismatch",
    message: `${file.path}: expected rows of shape [${featureShape.join(",")}], got [${row.join(",")}]`,
    suggestions: ["Give data of the shape that the model was trained on."],
  });
}

async function csvRows(file: ContentFile, width: number): Promise<DenseRows> {
  const blocks: DenseRows[] = [];
  for await (const { features } of openCsvFeatures(file, width, { onBadRecord: "fail" }).read()) {
    assert(!isSparse(features), "columns of numbers came as sparse rows");
    blocks.push(features);
  }
  const values = new Float32Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    values.set(block, at);
    at += block.length;
  }
  return values;
}
