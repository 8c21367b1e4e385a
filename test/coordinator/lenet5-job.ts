// LeNet-5 on data that nobody has: what the coordinator checks before it starts anything reads no sample.

import type { DataManifest } from "../../src/data/manifest.ts";
import { builtinModels } from "../../src/models/builtin.ts";

export const data: DataManifest = {
  ...{
    schemaVersion: 2,
    id: "0",
    name: "any",
    contentHash: "0",
    source: "any",
    task: "classification",
    classes: 10,
  },
  ...{ transform: { scale: [1], offset: [0] }, featureShape: [28, 28, 1], featureType: "u8" },
  counts: { train: 60_000, validation: 100 },
  ...{ classCounts: { train: [], validation: [] }, skippedRecords: 0 },
  blocks: { train: [], validation: [] },
};
export const topology = builtinModels
  .find(({ name }) => name === "lenet5")!
  .topology({ inputShape: data.featureShape, outputs: 10 });
