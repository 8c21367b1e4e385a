// A split of a labelled data set in memory. Stored values stay as compact as their source (u8 pixels stay u8, sparse rows
// stay sparse); `transform` says what a model sees.

import type { FeatureRows } from "./rows.ts";

/** "next-token": a row is a run of tokens, and each but the first the label of those before it. */
export type Task = "classification" | "regression" | "next-token";
export type Split = "train" | "validation";

/**
 * Turns stored values into model inputs: x * scale[j] + offset[j] for feature j of a row, in f64, rounded to f32. Arrays
 * of length one hold for all features (images), longer ones have an entry per feature (columns of a CSV file). With an
 * offset, rows that are stored sparse are not sparse any more: a model sees all of their features.
 */
export interface Transform {
  readonly scale: readonly number[];
  readonly offset: readonly number[];
}

/** What both splits of a data set share, and a manifest repeats. */
export interface DatasetInfo {
  readonly name: string;
  /** Where it came from, for people: a package and version, a path, a generator and its seed. */
  readonly source: string;
  readonly task: Task;
  /** Number of classes, or of tokens; 0 for regression. */
  readonly classes: number;
  /** By class index, where the source names its classes; the vocabulary, for "next-token". */
  readonly classNames?: readonly string[];
  /** Shape of one row: [28, 28, 1] for images (HWC), [20] for columns. */
  readonly featureShape: readonly number[];
  readonly transform: Transform;
  /** sha256 of the contents of both splits (hex): equal data of one name has one hash, wherever it came from. */
  readonly contentHash: string;
}

export interface Dataset extends DatasetInfo {
  readonly count: number;
  /** (count, ...featureShape), row-major; or CSR of `count` rows. */
  readonly features: FeatureRows;
  /** (count): class indices (i32) for classification, targets (f32) for regression; empty for "next-token". */
  readonly labels: Int32Array | Float32Array;
}

/** The part of a data set or manifest that both have. */
export function datasetInfo(from: DatasetInfo): DatasetInfo {
  const { name, source, task, classes, classNames, featureShape, transform, contentHash } = from;
  const info = { name, source, task, classes, featureShape, transform, contentHash };
  return classNames ? { ...info, classNames } : info;
}

/** Elements of one row. */
export function rowElements(featureShape: readonly number[]): number {
  return featureShape.reduce((product, size) => product * size, 1);
}
