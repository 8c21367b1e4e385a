// A step of preprocessing: what it makes of rows, a partition at a time. A step knows rows and statistics, no storage, so
// that whoever has a partition can apply it.

import { rowElements } from "../dataset.ts";
import type { FeatureRows, FeatureType } from "../rows.ts";
import type { MeasureName, Statistics } from "./measure.ts";

/** What rows are like before or after a step. */
export interface RowKind {
  readonly featureShape: readonly number[];
  readonly featureType: FeatureType;
  readonly featureNames?: readonly string[] | undefined;
}

/** A step that knows the rows it will get. */
export interface RowMap {
  readonly after: RowKind;
  /** `count` rows anew; what it is given stays as it is. @throws SltrainError "data-transform" */
  readonly map: (features: FeatureRows, count: number) => FeatureRows;
}

export interface Step {
  /** As the user wrote it. */
  readonly spec: string;
  /** What `prepare` has to be told of the training rows that the step gets; absent: nothing. */
  readonly needs?: MeasureName;
  /** @throws SltrainError "data-transform" where it cannot take rows of that kind, before they are measured */
  check?(before: RowKind): void;
  /** @throws SltrainError "data-transform" where rows of that kind cannot be had */
  prepare(before: RowKind, statistics: Statistics): RowMap;
}

export function widthOf({ featureShape }: RowKind): number {
  return rowElements(featureShape);
}

/** For messages: a column's name, or its number from 0. */
export function columnName({ featureNames }: RowKind, column: number): string {
  return featureNames?.[column] ?? String(column);
}
