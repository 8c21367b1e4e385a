// What a config file or a program imports from "sltrain".

export { defineConfig } from "./config/file.ts";
export type { TrainConfig, TrainConfigInput } from "./config/schema.ts";
export { SltrainError } from "./errors.ts";
