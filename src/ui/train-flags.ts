// The settings of a run that have a flag: the dozen that people change. The others belong into a config file or an
// environment variable. Values stay text here; src/config says what each may be.

import { Flags } from "@oclif/core";
import { flagName, trainFields, type TrainConfigKey } from "../config/schema.ts";

const FLAG_KEYS = [
  "model",
  "data",
  "workers",
  "epochs",
  "batchSize",
  "lr",
  "optimizer",
  "targetAccuracy",
  "storage",
  "channel",
  "provider",
  "seed",
  "runId",
] as const satisfies readonly TrainConfigKey[];

export const trainFlags = Object.fromEntries(
  FLAG_KEYS.map((key) => [
    flagName(key).slice("--".length),
    Flags.string({ summary: trainFields[key].description! }),
  ]),
);
