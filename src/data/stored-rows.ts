// The rows of a stored data set as a source has them: split after split, block after block, in memory for one block.

import type { Storage } from "../storage/storage.ts";
import type { Split } from "./dataset.ts";
import { storedLabels, type DataManifest } from "./manifest.ts";
import { blockSlices, openPartitions } from "./reader.ts";
import type { RowReader } from "./rows.ts";

/** Not of tokens. Labels are class indices, or targets. */
export function storedRows(storage: Storage, manifest: DataManifest, splits: readonly Split[]): RowReader {
  const { featureShape, featureType, featureNames, skippedRecords } = manifest;
  return {
    async *read() {
      for (const split of splits) {
        for (const rows of blockSlices(manifest, split)) {
          const { count, features, labels } = await openPartitions(storage, manifest, split, { rows });
          yield { count, features, labels: Float64Array.from(labels) };
        }
      }
    },
    facts: () => ({
      ...{ featureShape, featureType, labels: storedLabels(manifest), skippedRecords },
      ...(featureNames && { featureNames }),
    }),
  };
}
