// The settings of a training run: one table of keys, what each one takes and means. Flags, environment variables,
// config files, the stored manifest and docs/configuration.md all follow it.

import { z } from "zod";
import { parseReduce, reduceNames } from "../allreduce/patterns/index.ts";
import { compressionNames, parseCompression } from "../allreduce/compression.ts";
import { parseSync, syncNames } from "../allreduce/sync.ts";
import type { DeviceRequest } from "../device/open-device.ts";
import { SltrainError } from "../errors.ts";
import { parseClassWeights } from "./class-weights.ts";
import { parseHidden } from "./hidden-units.ts";
import { augmentForms, parseAugment } from "../data/augment.ts";
import { deadlineForms, parseDeadline } from "./deadline.ts";
import { parseSchedule, scheduleNames } from "../optim/learning-rate.ts";
import { optimizerNames } from "../optim/optimizer.ts";
import { parseSpared } from "../optim/spared-tensors.ts";
import { withoutCredentials } from "../storage/uri.ts";

/** A message completes the sentence "expected …". */
type Expected = string;

function wholeNumber(min: number, max: number) {
  const expected: Expected = `a whole number from ${min} to ${max}`;
  return z.number(expected).int(expected).min(min, expected).max(max, expected);
}

function positive() {
  const expected: Expected = "a number above 0";
  return z.number(expected).positive(expected);
}

/** 0 <= x < 1. */
function fraction() {
  const expected: Expected = "a number from 0 to less than 1";
  return z.number(expected).min(0, expected).lt(1, expected);
}

function text(expected: Expected) {
  return z.string(expected).min(1, expected);
}

function oneOf<const T extends readonly string[]>(names: T) {
  return z.enum(names, names.length === 1 ? names[0]! : `one of ${names.join(", ")}`);
}

/** Of a text that its own parser refuses: what the parser threw, and names that may have been meant. */
export interface Refusal {
  readonly refusal: SltrainError;
  readonly names: readonly string[];
}

/** A text that `parse` takes apart. What that throws is the issue's `params`. */
function spec(parse: (text: string) => unknown, names: readonly string[]) {
  return text(`one of ${names.join(", ")}`).superRefine((value, context) => {
    try {
      parse(value);
    } catch (refusal) {
      if (!(refusal instanceof SltrainError)) throw refusal;
      const params = { refusal, names } satisfies Refusal;
      context.addIssue({ code: "custom", message: refusal.message, params });
    }
  });
}

/** Settings are stored with the run and shown. Those of Redis are moved to the environment before that (storage/uri.ts). */
function storageUri() {
  const secretless: Expected = "a URI without credentials, which come from the environment";
  return text("a storage URI such as fs:.sltrain").refine(
    (uri) => /^rediss?:/.test(uri) || withoutCredentials(uri) === uri,
    secretless,
  );
}

const ADAPTER: Expected = "a GPU's index or a part of its name";

const SYNC_EVERY: Expected = "a whole number from 1 to 1000000000 or epoch";

/** Who starts workers, and who their successors. */
export const orchestrations = ["peers", "starter", "coordinator"] as const;

/** What functions compute on; `auto` is settled before the run begins. */
export const deviceNames = ["wasm", "webgpu", "auto"] as const satisfies readonly DeviceRequest["device"][];

/** What a GPU's products round their operands to. */
export const precisionNames = ["f32", "f16"] as const satisfies readonly DeviceRequest["precision"][];

export const algorithmNames = ["ga-sgd", "local-sgd", "diloco", "admm", "em"] as const;

const LABEL_COLUMN: Expected = "a column's name or its number from 0";

const IMAGE_SIZE: Expected = "height and width such as 64x64";

const RUN_ID: Expected =
  "1 to 64 letters, digits, dots, dashes or underscores, the first one a letter or digit";

export const trainFields = {
  model: text("a model's name or the path of a model.json or a module").describe(
    "Built-in model (lr, softmax, svm, kmeans, mlp, lenet5, feng-a, cifar-cnn, resnet20, resnet32, resnet34, resnet50, mobilenet, gpt-nano, vgg19) or the path of a Keras / TensorFlow.js model.json or of a module of your own (.ts, .js).",
  ),
  data: text("a data set's name or a path").describe(
    "Data set by name (mnist, fashion-mnist, cifar10, higgs, …; synthetic:NAME is made like it; `sltrain data ls` and --known list them) or the path of a file or folder.",
  ),
  rows: wholeNumber(10, 100_000_000)
    .optional()
    .describe(
      "Rows to train on, of data that is made (synthetic:NAME, random-binary). Default: as many as the original has, or a million.",
    ),
  weights: text("a path of weights or run:ID")
    .optional()
    .describe(
      "What the model begins with: safetensors, the model.json of tf.js with its shards, or run:ID for another run's model.",
    ),
  newHead: oneOf(["auto", "on", "off"]).describe(
    "Whether the last layer begins anew beside --weights: auto where it does not fit and others are frozen.",
  ),
  freeze: text("all-but-head, or names of layers")
    .optional()
    .describe(
      "Layers whose weights stay as they are: names with * for any characters, separated by commas, or all-but-head.",
    ),
  dataFormat: text("a format's name")
    .optional()
    .describe("Format of the path that data names. Default: what its content says."),
  // A number in a config file is a column's, as on the command line it looks like one.
  labelColumn: z
    .union([wholeNumber(0, 1_000_000), text(LABEL_COLUMN)], LABEL_COLUMN)
    .transform(String)
    .optional()
    .describe("Of a table, the column of labels: its name, or its number from 0. Default: see docs/data.md."),
  labelKind: oneOf(["classes", "targets"])
    .optional()
    .describe(
      "What the labels are: classes, or targets of a regression. Default: what they look like (docs/data.md).",
    ),
  hashBits: wholeNumber(1, 28)
    .optional()
    .describe(
      "Columns of text are hashed into 2 to the power of this many sparse features, beside those of numbers.",
    ),
  onBadRecord: oneOf(["fail", "skip"])
    .optional()
    .describe(
      "What becomes of a record that cannot be read: fail ends the import (default), skip leaves it out and counts it.",
    ),
  imageSize: z
    .string(IMAGE_SIZE)
    .regex(/^[1-9]\d{0,3}x[1-9]\d{0,3}$/, IMAGE_SIZE)
    .optional()
    .describe("Height and width that images of a folder are resized to (64x64)."),
  contextLength: wholeNumber(1, 65_536)
    .optional()
    .describe("Of text: characters that a model sees at once. Default: 64."),
  frozenFeatures: oneOf(["auto", "cache", "compute"]).describe(
    "What the model's frozen beginning makes of the data: computed once and kept as a data set (cache), or in every step (compute); auto keeps what is no larger than the data.",
  ),
  workers: wholeNumber(1, 10_000).describe(
    "Functions that train together; as MIN..MAX, as many of them as can be had.",
  ),
  minWorkers: wholeNumber(1, 10_000)
    .optional()
    .describe("Functions without which a run waits; with fewer than workers, it goes on meanwhile."),
  hidden: spec(parseHidden, ["512", "512,256"])
    .optional()
    .describe("Units of mlp's hidden layers, between commas."),
  width: z
    .number("a number above 0, at most 16")
    .positive("a number above 0, at most 16")
    .max(16, "a number above 0, at most 16")
    .optional()
    .describe(
      "Width of mobilenet, the resnets and vgg19: what all their channels are multiplied by; of gpt-nano, its 128 features.",
    ),
  layers: wholeNumber(1, 1000).optional().describe("Layers of gpt-nano, each attention and an MLP (4)."),
  heads: wholeNumber(1, 1000)
    .optional()
    .describe("Heads of each layer of gpt-nano, among which a position's features are shared out (4)."),
  epochs: wholeNumber(1, 1_000_000).describe("Passes over the training data, at most."),
  batchSize: wholeNumber(1, 1 << 24).describe("Samples per step, over all workers together."),
  lr: positive().describe("Learning rate, before the schedule."),
  hinge: oneOf(["hinge", "squared"]).describe(
    "Loss of model svm: hinge, or squared, which also weighs how far a row is on the wrong side.",
  ),
  optimizer: oneOf(optimizerNames).describe("Rule that turns a mean gradient into an update."),
  momentum: fraction().describe(
    "Momentum of the optimizers momentum, nesterov and lars; decay of adam's and adamw's first moment.",
  ),
  beta2: fraction().describe("Decay of adam's and adamw's second moment."),
  epsilon: positive().describe("Added to the root of the second moment of adam, adamw and adagrad."),
  weightDecay: z
    .number("a number from 0")
    .min(0, "a number from 0")
    .describe("L2 penalty, added to the gradient; adamw shrinks the parameters by it instead."),
  decayExcept: spec(parseSpared, ["vectors", "bias,gamma,beta"])
    .optional()
    .describe(
      "Tensors that weight decay spares: vectors (biases and what normalises), or names such as bias,gamma.",
    ),
  clipNorm: positive()
    .optional()
    .describe("The mean gradient is shortened to this Euclidean norm where it is longer."),
  clipValue: positive()
    .optional()
    .describe("Each element of the mean gradient is kept within plus or minus this."),
  schedule: spec(parseSchedule, scheduleNames).describe(
    "Course of the learning rate: constant; cosine or polynomial[:POWER] to zero; step[:MILESTONES] to a tenth at each (step:50%,75% of the run, step:80,120 in epochs; default thirds); exponential[:SHARE] an epoch; inverse-sqrt[:STEPS] of the epoch's number, or of each so many steps'.",
  ),
  warmupSteps: wholeNumber(0, 1_000_000_000).describe(
    "Steps in which the learning rate first rises to its value.",
  ),
  algorithm: oneOf(algorithmNames).describe(
    "What workers exchange: ga-sgd gradients at every step, local-sgd parameters now and then, diloco as local-sgd with an outer optimizer, admm what is best for their own rows until all agree, em the sums of k-means clusters.",
  ),
  sync: spec(parseSync, syncNames).describe(
    "How far workers may be apart: bsp in lockstep, ssp[:STEPS] by so many steps, asp by any.",
  ),
  syncEvery: z
    .union([wholeNumber(1, 1_000_000_000), z.literal("epoch")], SYNC_EVERY)
    .describe("Steps from one exchange of local-sgd and diloco to the next, or epoch."),
  outerLr: positive().describe("Learning rate of diloco's outer optimizer."),
  tolerance: positive()
    .optional()
    .describe(
      "Where em and admm stop: em at a smaller relative improvement of the inertia, admm at smaller residuals relative to what they are of.",
    ),
  admmRho: positive().describe(
    "Penalty on disagreement that admm begins with; residual balancing changes it.",
  ),
  l1: z
    .number("a number from 0")
    .min(0, "a number from 0")
    .describe("L1 penalty of admm, on the same tensors as weightDecay, which is its L2 penalty."),
  clusters: wholeNumber(1, 65_536).describe("Clusters of the model kmeans."),
  outerMomentum: fraction().describe("Nesterov momentum of diloco's outer optimizer."),
  reduce: spec(parseReduce, reduceNames).describe(
    "Who adds what workers send: scatter-reduce[:OWNERS] (default: all, or as many as cost least where requests have a price), all-reduce, tree[:1,…,WORKERS] or hierarchical[:GROUP].",
  ),
  compress: spec(parseCompression, compressionNames).describe(
    "How numbers travel: f32 as they are; bf16, fp16, int8 or sign shorter; top-k:1% only the largest; powersgd:2 as products of thin matrices.",
  ),
  zstd: oneOf(["auto", "on", "off"]).describe("Whether zstd follows; auto where it pays on this channel."),
  quorum: z
    .number("a number from 0.5 to 1")
    .min(0.5, "a number from 0.5 to 1")
    .max(1, "a number from 0.5 to 1")
    .describe(
      "Share of the workers whose gradients are enough for a step when others are late; theirs come with the next. Below 1, runs differ. Who adds for others is waited for.",
    ),
  augment: spec(parseAugment, augmentForms)
    .optional()
    .describe(
      "What images go through in training, anew in each epoch: flip mirrors half of them, crop:4 moves each by up to so many pixels.",
    ),
  labelSmoothing: fraction().describe(
    "Share of a sample's truth that all classes have alike, in training: 0.1 makes of 0 and 1 what a network can reach.",
  ),
  classWeights: spec(parseClassWeights, ["balanced", "1,5"])
    .optional()
    .describe(
      "What the losses of samples are multiplied by in training, by class: balanced by their frequency, or a list such as 1,5.",
    ),
  targetAccuracy: z
    .number("a number above 0, at most 1")
    .positive("a number above 0, at most 1")
    .max(1, "a number above 0, at most 1")
    .optional()
    .describe("Stop after the epoch whose validation accuracy reaches this (0.98)."),
  targetLoss: positive().optional().describe("Stop after the epoch whose validation loss is as low as this."),
  patience: wholeNumber(1, 1_000_000)
    .optional()
    .describe("Stop when so many epochs have brought no better model on the validation split."),
  bestBy: oneOf(["accuracy", "loss"])
    .optional()
    .describe(
      "What makes a model the better one: its validation accuracy or loss. Default: accuracy where there is one.",
    ),
  keep: oneOf(["last", "best"]).describe(
    "Which model the run leaves as its own, for predict, evaluate and export: of its last step, or of its best epoch.",
  ),
  evalEvery: wholeNumber(1, 1_000_000).describe(
    "Epochs from one validation to the next; the last one is validated in any case.",
  ),
  seed: wholeNumber(0, 0xffff_ffff).describe(
    "Initial parameters, order of samples, split and dropout follow from it.",
  ),
  runId: z
    .string(RUN_ID)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, RUN_ID)
    .optional()
    .describe(
      "Name of the run; that of an unfinished run takes it up again. Default: made from time and model.",
    ),
  storage: storageUri().describe("Durable storage: data partitions, checkpoints, results, the list of runs."),
  channel: storageUri().describe("Carries gradient frames only, and may forget."),
  progress: storageUri()
    .optional()
    .describe(
      "Where the run's progress lies as well, and is watched: rank 0's heartbeats and the metrics (dynamodb://TABLE).",
    ),
  provider: oneOf(["local", "lambda"]).describe(
    "Where functions run: local on this machine by Lambda's rules, lambda at AWS.",
  ),
  device: oneOf(deviceNames).describe(
    "What functions compute on: wasm the processor, webgpu a GPU, auto a GPU where there is one that is no software.",
  ),
  // An index in a config file may be a number, as on the command line it looks like one.
  adapter: z
    .union([wholeNumber(0, 1000), text(ADAPTER)], ADAPTER)
    .transform(String)
    .optional()
    .describe(
      "GPU that functions compute on: its index or a part of its name, as `sltrain devices` lists them.",
    ),
  functionsPerGpu: wholeNumber(1, 64)
    .optional()
    .describe(
      "Functions that share a GPU: the first so many ranks the first one, and so on. Default: all on one.",
    ),
  precision: oneOf(precisionNames).describe(
    "What a GPU's products round their operands to: f32, or f16 with sums in f32 and a scaled loss, by subgroup matrices where the GPU has them.",
  ),
  stack: text("a stack's name").describe(
    "CloudFormation stack of functions that provider lambda uses, and deploys where needed.",
  ),
  endpointUrl: text("an address such as http://127.0.0.1:9001")
    .refine((url) => withoutCredentials(url) === url, "an address without credentials")
    .optional()
    .describe(
      "Another address for Lambda, CloudFormation and its logs, such as that of `sltrain lambda serve`.",
    ),
  memoryMiB: wholeNumber(128, 10_240).describe(
    "Memory of one function; also the basis of the Lambda cost estimate.",
  ),
  timeoutS: wholeNumber(3, 900).describe("Longest life of one function; another one goes on where it ends."),
  leaseMs: wholeNumber(100, 900_000).describe(
    "A worker that gives no sign of life for so long is taken for dead; by default at most a sixth of timeoutS.",
  ),
  maxRestarts: wholeNumber(0, 1000).describe(
    "Workers that are started in place of one that died at a step, before the run ends for it.",
  ),
  speculate: oneOf(["on", "off"]).describe(
    "Whether a worker that keeps the others waiting gets a copy beside it, which takes over where it has come as far.",
  ),
  orchestration: oneOf(orchestrations).describe(
    "Who starts workers and their successors: peers, each its own successor; starter, one function first that starts all; coordinator, which has to stay.",
  ),
  budgetUsd: positive()
    .optional()
    .describe("Stop before the run has cost so many US dollars at list prices."),
  deadline: spec((text) => parseDeadline(text), deadlineForms)
    .optional()
    .describe("Stop before this: a duration from the start (90m) or a time (2026-11-24T08:00Z)."),
  threads: wholeNumber(1, 64)
    .optional()
    .describe("Threads of one function; the result is the same for any number."),
  ioThread: oneOf(["auto", "on", "off"]).describe(
    "Whether a thread of its own exchanges while others compute; auto where a function has a vCPU left for it.",
  ),
  bucketBytes: wholeNumber(4096, 1 << 30).describe("Gradient bytes that are exchanged together."),
  checkpointEverySteps: wholeNumber(1, 1_000_000_000).describe("Steps between two checkpoints, at most."),
  maxFrameBytes: wholeNumber(1, 2 ** 50).describe(
    "Bytes of frames that may lie in the channel; checkpoints come as often as that takes.",
  ),
  roundTimeoutMs: wholeNumber(100, 900_000).describe(
    "Longest wait for the other workers' gradients of one step.",
  ),
} as const;

export const trainConfigSchema = z.strictObject(trainFields);

export type TrainConfigKey = keyof typeof trainFields;

/** A run's complete settings. Frozen, plain data: stored with the run as JSON. */
export type TrainConfig = Readonly<z.infer<typeof trainConfigSchema>>;

/** What a config file may say. */
export type TrainConfigInput = Readonly<Partial<z.input<typeof trainConfigSchema>>>;

export const trainConfigKeys = Object.keys(trainFields) as readonly TrainConfigKey[];

/** `batchSize` -> `--batch-size`. */
export function flagName(key: TrainConfigKey): string {
  return `--${words(key).join("-")}`;
}

/** `batchSize` -> `SLTRAIN_BATCH_SIZE`. */
export function envName(key: TrainConfigKey): string {
  return ["SLTRAIN", ...words(key)].join("_").toUpperCase();
}

/** `batchSize` -> batch, size; `memoryMiB` -> memory, mib. */
function words(key: string): string[] {
  return key
    .replace(/[a-z](?=[A-Z])/g, "$& ")
    .replace(/Mi B$/, "MiB")
    .toLowerCase()
    .split(" ");
}
