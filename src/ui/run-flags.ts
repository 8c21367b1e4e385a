// What commands on one run share: its name, where it is, and how the answer is written.

import { Args, Flags } from "@oclif/core";
import { generalDefaults } from "../config/model-defaults.ts";
import { jsonFlag } from "./sltrain-command.ts";

export const runArg = Args.string({ description: "Run id, as `sltrain runs ls` lists it.", required: true });

export const runFlags = {
  storage: Flags.string({
    summary: "Where the run is.",
    default: generalDefaults.storage,
    env: "SLTRAIN_STORAGE",
  }),
  json: jsonFlag,
};
