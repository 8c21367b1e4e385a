// What a step has to know of all training rows before it can map one (map over partitions, reduce of what they gave). Each
// partition is measured by itself, by whoever has it, and merged in the partitions' order: the bits of a sum do not depend
// on who measured what.

import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { bytesOf, isSparse } from "../feature-rows.ts";
import { Moments, type FeatureStatistics } from "../import/statistics.ts";
import type { FeatureRows } from "../rows.ts";
import { widthOf, type RowKind } from "./step.ts";

export interface DocumentFrequencies {
  readonly rows: number;
  /** By column: rows that have it. */
  readonly documents: readonly number[];
}

/** What has been measured; plain data, which JSON carries to the bit. */
export interface Statistics {
  readonly moments?: FeatureStatistics;
  readonly frequencies?: DocumentFrequencies;
}

export type MeasureName = keyof Statistics;

export interface Measure {
  add(features: FeatureRows, rows: number): void;
  /** Of what was added, for `merge`. */
  encode(): Uint8Array;
  /** Adds what another one has encoded. */
  merge(encoded: Uint8Array): void;
  finish(): Statistics;
}

const MEASURES: Readonly<Record<MeasureName, (kind: RowKind) => Measure>> = {
  moments(kind) {
    const moments = momentsOf(kind);
    return {
      add: (features, rows) => moments.add(features, rows),
      encode: () => packed(moments.state()),
      merge: (encoded) => moments.merge(unpacked(encoded)),
      finish: () => ({ moments: moments.finish() }),
    };
  },
  frequencies(kind) {
    const documents = new Float64Array(widthOf(kind));
    let all = 0;
    return {
      add(features, rows) {
        all += rows;
        if (isSparse(features)) {
          const { columns, values } = features;
          for (let i = 0; i < columns.length; i++) if (values[i] !== 0) documents[columns[i]!]!++;
        } else {
          for (let i = 0, c = 0; i < features.length; i++, c = c + 1 === documents.length ? 0 : c + 1) {
            if (features[i] !== 0) documents[c]!++;
          }
        }
      },
      encode: () => packed(Float64Array.of(all), documents),
      merge(encoded) {
        const counts = unpacked(encoded);
        all += counts[0]!;
        for (let c = 0; c < documents.length; c++) documents[c]! += counts[c + 1]!;
      },
      finish: () => ({ frequencies: { rows: all, documents: [...documents] } }),
    };
  },
};

export function openMeasure(name: MeasureName, kind: RowKind): Measure {
  return MEASURES[name](kind);
}

/** Columns of a table are told apart; pixels are not. */
function momentsOf(kind: RowKind): Moments {
  return new Moments(widthOf(kind), kind.featureShape.length === 1);
}

/** Whether statistics are of the features that a measure of these rows would tell apart. */
export function fits({ mean }: FeatureStatistics, kind: RowKind): boolean {
  return mean.length === momentsOf(kind).columns;
}

/** Most of the columns of a partition of text are zero. */
function packed(...parts: readonly Float64Array[]): Uint8Array {
  return zstdCompressSync(Buffer.concat(parts.map(bytesOf)));
}

function unpacked(bytes: Uint8Array): Float64Array {
  const values = zstdDecompressSync(bytes);
  return new Float64Array(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength));
}
