// A labelled table in memory, and how a raw table becomes one: split, standardisation, content hash.
// Stored values stay as compact as their source (u8 pixels stay u8); `transform` says what a model sees.

import { SltrainError } from "../errors.ts";
import { sha256 } from "../sha256.ts";
import { RandomStream } from "../random.ts";

export type Task = "classification" | "regression";
export type Split = "train" | "validation";

/**
 * Turns stored values into model inputs: x * scale[j] + offset[j] for feature j of a row, in f64, rounded to f32. Arrays
 * of length one hold for all features (images), longer ones have an entry per feature (columns of a CSV file).
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
  /** Number of classes; 0 for regression. */
  readonly classes: number;
  /** By class index, where the source names its classes. */
  readonly classNames?: readonly string[];
  /** Shape of one row: [28, 28, 1] for images (HWC), [20] for columns. */
  readonly featureShape: readonly number[];
  readonly transform: Transform;
  /** sha256 of the contents of both splits (hex): equal data of one name has one hash, wherever it came from. */
  readonly contentHash: string;
}

export interface Dataset extends DatasetInfo {
  readonly count: number;
  /** (count, ...featureShape), row-major. */
  readonly features: Uint8Array | Float32Array;
  /** (count): class indices (i32) for classification, targets (f32) for regression. */
  readonly labels: Int32Array | Float32Array;
}

export type DatasetSplits = Readonly<Record<Split, Dataset>>;

/** The part of a data set or manifest that both have. */
export function datasetInfo(from: DatasetInfo): DatasetInfo {
  const { name, source, task, classes, classNames, featureShape, transform, contentHash } = from;
  const info = { name, source, task, classes, featureShape, transform, contentHash };
  return classNames ? { ...info, classNames } : info;
}

/** What a reader of a format returns: rows and labels as the source has them. */
export interface Table {
  readonly featureShape: readonly number[];
  readonly features: Uint8Array | Float32Array;
  /** Int32Array: class indices below `classes`. Float32Array: regression targets, `classes` is 0. */
  readonly labels: Int32Array | Float32Array;
  readonly classes: number;
  readonly classNames?: readonly string[];
}

/** Elements of one row. */
export function rowElements(featureShape: readonly number[]): number {
  return featureShape.reduce((product, size) => product * size, 1);
}

// Apart from a run's seed, so that runs with different seeds are validated on the same rows.
const SPLIT_SEED = 20180611;
const MAX_VALIDATION_ROWS = 10_000;

/**
 * Splits rows at random, by a seed that never changes: a tenth, at most 10,000 rows, for validation. Both parts come in
 * random order, so that any run of rows is a fair sample of the whole even if the source is sorted by class.
 * @throws SltrainError "data-too-small" if either part would be empty.
 */
export function splitTable(table: Table, where: string): Record<Split, Table> {
  const count = table.labels.length;
  const validationCount = Math.min(MAX_VALIDATION_ROWS, Math.ceil(count / 10));
  if (count < 2) {
    throw new SltrainError({
      code: "data-too-small",
      message: `${where}: expected at least 2 rows, one to train on and one to validate on, got ${count}`,
      suggestions: ["Give a data set with more rows."],
    });
  }
  const order = new RandomStream(SPLIT_SEED, "split").permutation(count);
  return {
    train: takeRows(table, order.subarray(validationCount)),
    validation: takeRows(table, order.subarray(0, validationCount)),
  };
}

function takeRows(table: Table, rows: Uint32Array): Table {
  const width = rowElements(table.featureShape);
  const features =
    table.features instanceof Uint8Array
      ? new Uint8Array(rows.length * width)
      : new Float32Array(rows.length * width);
  const labels =
    table.labels instanceof Int32Array ? new Int32Array(rows.length) : new Float32Array(rows.length);
  rows.forEach((row, i) => {
    features.set(table.features.subarray(row * width, (row + 1) * width), i * width);
    labels[i] = table.labels[row]!;
  });
  return { ...table, features, labels };
}

/** Finishes a data set: the transform standardises by the training split unless one is given. */
export function createDataset(
  name: string,
  source: string,
  tables: Readonly<Record<Split, Table>>,
  transform: Transform = standardisation(tables.train),
): DatasetSplits {
  const { train, validation } = tables;
  const facts = {
    name,
    task: train.labels instanceof Int32Array ? ("classification" as const) : ("regression" as const),
    classes: train.classes,
    ...(train.classNames && { classNames: train.classNames }),
    featureShape: train.featureShape,
    transform,
  };
  const hash = sha256().update(JSON.stringify(facts));
  for (const table of [train, validation]) {
    for (const array of [table.features, table.labels]) {
      hash.update(`${array.constructor.name} ${array.length}`).update(array);
    }
  }
  const info = { ...facts, source, contentHash: hash.digest("hex") };
  const finish = ({ features, labels }: Table): Dataset => ({
    ...info,
    count: labels.length,
    features,
    labels,
  });
  return { train: finish(train), validation: finish(validation) };
}

/** The transform that gives the table mean 0 and deviation 1: per column for columns of floats, else over all values. */
export function standardisation(table: Table): Transform {
  const { features, featureShape } = table;
  if (features instanceof Uint8Array) return toTransform([momentsOfBytes(features)]);
  const columns = featureShape.length === 1 ? featureShape[0]! : 1;
  return toTransform(Array.from({ length: columns }, (_, column) => momentsOf(features, column, columns)));
}

interface Moments {
  readonly mean: number;
  readonly deviation: number;
}

function toTransform(moments: readonly Moments[]): Transform {
  // A constant feature carries nothing: it is centred, not divided by zero.
  const scale = moments.map(({ deviation }) => (deviation > 0 ? 1 / deviation : 1));
  return { scale, offset: moments.map(({ mean }, i) => -mean * scale[i]!) };
}

function momentsOfBytes(values: Uint8Array): Moments {
  const histogram = new Float64Array(256);
  for (const value of values) histogram[value]!++;
  const mean = histogram.reduce((sum, n, value) => sum + n * value, 0) / values.length;
  const variance = histogram.reduce((sum, n, value) => sum + n * (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

/** In two passes: the difference of large squares would lose columns such as years or timestamps. */
function momentsOf(values: Float32Array, begin: number, stride: number): Moments {
  const count = values.length / stride;
  let sum = 0;
  for (let i = begin; i < values.length; i += stride) sum += values[i]!;
  const mean = sum / count;
  let squares = 0;
  for (let i = begin; i < values.length; i += stride) squares += (values[i]! - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / count) };
}
