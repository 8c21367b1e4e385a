// On what a bench measures.

import { Flags } from "@oclif/core";

export const benchDeviceFlags = {
  device: Flags.option({
    summary: "What to measure: the processor, or a GPU.",
    options: ["wasm", "webgpu"] as const,
    default: "wasm",
  })(),
  adapter: Flags.string({
    summary: "GPU by its index or a part of its name, as `sltrain devices` lists them.",
    helpValue: "index|name",
  }),
};
