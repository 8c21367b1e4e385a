// What commands on data sets share: where they lie, how a path is read, how the answer is written.

import { Args, Flags } from "@oclif/core";
import { generalDefaults } from "../config/model-defaults.ts";
import { jsonFlag } from "./sltrain-command.ts";

export const datasetDescription =
  "Name of a data set, or its id or the beginning of it, as `sltrain data ls` lists it.";

export const dataArg = Args.string({ description: datasetDescription, required: true });

export const dataFlags = {
  storage: Flags.string({
    summary: "Where the data sets are.",
    default: generalDefaults.storage,
    env: "SLTRAIN_STORAGE",
  }),
  json: jsonFlag,
};
