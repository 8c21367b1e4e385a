// The settings of a run that have a flag: the dozen that people change. The others belong into a config file or an
// environment variable. Values stay text here; src/config says what each may be.

import { Flags } from "@oclif/core";
import { generalDefaults } from "../config/model-defaults.ts";
import {
  algorithmNames,
  flagName,
  orchestrations,
  trainFields,
  type TrainConfigInput,
  type TrainConfigKey,
} from "../config/schema.ts";
import { optimizerNames } from "../optim/optimizer.ts";

/** What the help shows as each flag's value. */
const VALUES = {
  model: "name|path",
  weights: "path|run:id",
  newHead: "auto|on|off",
  freeze: "layers",
  hidden: "units,…",
  width: "x",
  layers: "n",
  heads: "n",
  frozenFeatures: "auto|cache|compute",
  data: "name|path",
  rows: "n",
  dataFormat: "name",
  labelColumn: "name|n",
  labelKind: "classes|targets",
  hashBits: "k",
  onBadRecord: "fail|skip",
  imageSize: "HxW",
  contextLength: "n",
  workers: "n|min..max",
  threads: "n",
  ioThread: "auto|on|off",
  epochs: "n",
  batchSize: "n",
  lr: "x",
  schedule: "course",
  warmupSteps: "n",
  hinge: "hinge|squared",
  optimizer: "name",
  weightDecay: "x",
  decayExcept: "vectors|names",
  clipNorm: "x",
  clipValue: "x",
  algorithm: "name",
  clusters: "n",
  tolerance: "x",
  l1: "x",
  sync: "protocol",
  syncEvery: "n|epoch",
  reduce: "pattern",
  quorum: "x",
  compress: "codec",
  augment: "flip|crop:n",
  labelSmoothing: "x",
  classWeights: "balanced|list",
  targetAccuracy: "x",
  targetLoss: "x",
  patience: "epochs",
  bestBy: "accuracy|loss",
  keep: "last|best",
  evalEvery: "epochs",
  storage: "uri",
  channel: "uri",
  progress: "uri",
  provider: "local|lambda",
  device: "wasm|webgpu|auto",
  adapter: "index|name",
  functionsPerGpu: "n",
  precision: "f32|f16",
  stack: "name",
  endpointUrl: "url",
  memoryMiB: "n",
  timeoutS: "n",
  speculate: "on|off",
  orchestration: "name",
  budgetUsd: "x",
  deadline: "time",
  seed: "n",
  runId: "name",
} as const satisfies Partial<Record<TrainConfigKey, string>>;

const CHOICES: Partial<Record<TrainConfigKey, readonly string[]>> = {
  optimizer: optimizerNames,
  algorithm: algorithmNames,
  orchestration: orchestrations,
};

/** Lambda's own word. */
const ALIASES: Partial<Record<TrainConfigKey, string>> = { memoryMiB: "memory" };

/** What holds without the flag, where it is no plain value of `generalDefaults`. */
const DEFAULTS: Partial<Record<TrainConfigKey, string>> = {
  workers: "one per core",
  threads: "one per vCPU of a function",
  epochs: "by model",
  batchSize: "by model, and the data of a linear one",
  lr: "by model and optimizer",
  optimizer: "by model and algorithm",
  schedule: "by model",
  warmupSteps: "by algorithm",
  weightDecay: "by model",
  channel: "the storage",
  orchestration: "peers; starter at Lambda",
};

export const trainFlags = Object.fromEntries(
  (Object.keys(VALUES) as (keyof typeof VALUES)[]).map((key) => {
    const general = (generalDefaults as TrainConfigInput)[key];
    const value = DEFAULTS[key] ?? (general === undefined ? undefined : String(general));
    const choices = CHOICES[key] ? ` One of ${CHOICES[key].join(", ")}.` : "";
    return [
      flagName(key).slice("--".length),
      Flags.string({
        ...(ALIASES[key] && { aliases: [ALIASES[key]] }),
        summary: trainFields[key].description! + choices,
        helpValue: VALUES[key],
        ...(value === undefined ? {} : { defaultHelp: () => Promise.resolve(value) }),
      }),
    ];
  }),
);

/** Those of them that say where functions run, and how many: for commands beside `train`. */
export const functionFlags = Object.fromEntries(
  (["storage", "provider", "workers", "stack", "endpointUrl", "memoryMiB", "timeoutS"] as const).map(
    (key) => {
      const name = flagName(key).slice("--".length);
      return [name, trainFlags[name]!];
    },
  ),
);
