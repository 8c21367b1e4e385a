// Both splits of a data set in memory, as a worker gets them: imported into a storage and loaded from there.

import type { Dataset, Split } from "../../src/data/dataset.ts";
import type { ImportOptions } from "../../src/data/import/import-rows.ts";
import { openSource, type OpenOptions } from "../../src/data/known.ts";
import type { DataManifest } from "../../src/data/manifest.ts";
import { importSource } from "../../src/data/partition.ts";
import { openPartitions } from "../../src/data/reader.ts";
import type { FeatureRows, LabelMeaning, RowBlock, RowReader } from "../../src/data/rows.ts";
import type { Source } from "../../src/data/source.ts";
import { open } from "../../src/storage/drivers/memory.ts";
import type { Storage } from "../../src/storage/storage.ts";

let stores = 0;
export const emptyStorage = (): Promise<Storage> => open(`data-test-${process.pid}-${stores++}`);

export type Splits = Readonly<Record<Split, Dataset>>;

export async function loadSplits(storage: Storage, manifest: DataManifest): Promise<Splits> {
  return {
    train: await openPartitions(storage, manifest, "train"),
    validation: await openPartitions(storage, manifest, "validation"),
  };
}

export async function loadDataset(spec: string, options: OpenOptions): Promise<Splits> {
  return loadSource(await openSource(spec, options));
}

export async function loadSource(source: Source, options?: ImportOptions): Promise<Splits> {
  const storage = await emptyStorage();
  return loadSplits(storage, await importSource(storage, source, options));
}

/** The values of dense features. */
export function dense(features: FeatureRows): Uint8Array | Float16Array | Float32Array {
  if ("rowStarts" in features) throw new Error("expected dense rows");
  return features;
}

/** Rows as a reader of some format gives them. */
export function readerOf(
  blocks: readonly RowBlock[],
  facts: Partial<ReturnType<RowReader["facts"]>> & { readonly labels: LabelMeaning },
): RowReader {
  const first = blocks[0]!.features;
  return {
    // eslint-disable-next-line @typescript-eslint/require-await
    async *read() {
      yield* blocks;
    },
    facts: () => ({
      featureShape: "rowStarts" in first ? [0] : [first.length / blocks[0]!.count],
      featureType:
        "rowStarts" in first
          ? "csr"
          : first instanceof Uint8Array
            ? "u8"
            : first instanceof Float32Array
              ? "f32"
              : "f16",
      skippedRecords: 0,
      ...facts,
    }),
  };
}

/** Classes 0..count-1. */
export const classes = (count: number): LabelMeaning => ({
  kind: "classes",
  values: Array.from({ length: count }, (_, i) => i),
});
