// Features alone, for predictions: the files that `--data` takes, with or without their labels.

import { SltrainError } from "../errors.ts";
import { rowElements } from "./dataset.ts";
import { contentOf, readSourceFile } from "./source.ts";
import { readCsvFeatures } from "./sources/csv.ts";
import { looksLikeIdx, readIdx } from "./sources/idx.ts";

export interface Features {
  readonly count: number;
  /** (count, ...featureShape), row-major, as stored: a data set's transform is not applied. */
  readonly values: Uint8Array | Float32Array;
}

/**
 * Reads IDX (.gz) or CSV (.gz) rows of `featureShape`.
 * @throws SltrainError as the readers of these formats, and "data-mismatch" naming both shapes.
 */
export async function readFeatures(path: string, featureShape: readonly number[]): Promise<Features> {
  const content = await contentOf(await readSourceFile(path));
  const width = rowElements(featureShape);
  const values = looksLikeIdx(content)
    ? idxRows(content, path, featureShape)
    : readCsvFeatures(content, path, width);
  return { count: values.length / width, values };
}

function idxRows(
  content: Uint8Array,
  path: string,
  featureShape: readonly number[],
): Uint8Array | Float32Array {
  const { dims, values } = readIdx(content, path);
  const row = dims.slice(1);
  if (rowElements(row) === rowElements(featureShape)) {
    return values instanceof Int32Array ? Float32Array.from(values) : values;
  }
  throw new SltrainError({
    code: "data-mismatch",
    message: `${path}: expected rows of shape [${featureShape.join(",")}], got [${row.join(",")}]`,
    suggestions: ["Give data of the shape that the model was trained on."],
  });
}
