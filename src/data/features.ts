// Features alone, for predictions: the files that `--data` takes, with or without their labels.

import { assert, SltrainError } from "../errors.ts";
import { openContent } from "./content-file.ts";
import { rowElements } from "./dataset.ts";
import { isSparse } from "./feature-rows.ts";
import type { ContentFile } from "./format.ts";
import { openCsvFeatures } from "./formats/csv.ts";
import { looksLikeIdx, readIdxFeatures } from "./formats/idx.ts";
import type { DenseRows } from "./rows.ts";

/** Predictions are made of what fits into memory. */
const MAX_BYTES = 2 ** 31 - 1;

export interface Features {
  readonly count: number;
  /** (count, ...featureShape), row-major, as stored: a data set's transform is not applied. */
  readonly values: DenseRows;
}

/**
 * Reads IDX (.gz) or CSV (.gz) rows of `featureShape`.
 * @throws SltrainError as the readers of these formats, and "data-mismatch" naming both shapes.
 */
export async function readFeatures(path: string, featureShape: readonly number[]): Promise<Features> {
  const file = await openContent(path);
  const width = rowElements(featureShape);
  const values = looksLikeIdx(file.head) ? await idxRows(file, featureShape) : await csvRows(file, width);
  return { count: values.length / width, values };
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
