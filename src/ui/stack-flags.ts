// Which stack a command is about, and where.

import { Flags } from "@oclif/core";
import { generalDefaults } from "../config/model-defaults.ts";
import { trainFields } from "../config/schema.ts";

export const stackFlags = {
  stack: Flags.string({
    summary: trainFields.stack.description!,
    default: generalDefaults.stack,
    env: "SLTRAIN_STACK",
    helpValue: "NAME",
  }),
  "endpoint-url": Flags.string({
    summary: trainFields.endpointUrl.description!,
    env: "SLTRAIN_ENDPOINT_URL",
    helpValue: "URL",
  }),
};
