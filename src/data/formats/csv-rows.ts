// Rows of a table in the making. A row is there once it is ended; what was put in before that is written over by the next.

import type { FeatureRows, FeatureType } from "../rows.ts";
import type { BlockMemory } from "../threads/block-memory.ts";
import type { CsvLayout } from "./csv-layout.ts";

export interface CsvRows {
  readonly featureType: FeatureType;
  readonly width: number;
  readonly names: readonly string[] | undefined;
  reserve(textBytes: number): void;
  beginRow(): void;
  /** The row's next number; one that is missing is put as 0. */
  number(value: number): void;
  endRow(): void;
  takeFeatures(memory: BlockMemory): FeatureRows;
}

export class DenseCsvRows implements CsvRows {
  readonly featureType = "f32";
  readonly width: number;
  readonly names: readonly string[] | undefined;
  #values = new Float32Array();
  /** Elements of rows that are there, and with those of the row in the making. */
  #ended = 0;
  #length = 0;

  constructor({ names, label, hasHeader }: CsvLayout) {
    const features = names.filter((_, c) => c !== label);
    this.width = features.length;
    this.names = hasHeader ? features : undefined;
  }

  reserve(textBytes: number): void {
    // A number and its separator are two bytes.
    const elements = Math.ceil(textBytes / 2) + 1;
    if (this.#values.length < elements) this.#values = new Float32Array(elements);
  }

  beginRow(): void {
    this.#length = this.#ended;
  }

  number(value: number): void {
    this.#values[this.#length++] = value;
  }

  endRow(): void {
    this.#ended = this.#length;
  }

  takeFeatures(memory: BlockMemory): Float32Array {
    const features = memory.copy(this.#values, this.#ended);
    this.#ended = 0;
    return features;
  }
}
