// What a run does when nobody says otherwise: general defaults, and what is better for a model that we know.

import type { TrainConfigInput } from "./schema.ts";

export const generalDefaults = {
  model: "lenet5",
  newHead: "auto",
  frozenFeatures: "auto",
  data: "mnist",
  epochs: 5,
  batchSize: 128,
  lr: 0.05,
  hinge: "hinge",
  optimizer: "momentum",
  momentum: 0.9,
  // Adam's, as in the paper (Kingma and Ba 2015, algorithm 1).
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
  schedule: "constant",
  warmupSteps: 0,
  algorithm: "ga-sgd",
  sync: "bsp",
  syncEvery: 16,
  // DiLoCo's. The rate is the paper's (Douillard et al. 2023, section 3.1); its momentum of 0.9, which remembers ten meetings,
  // suits its hundreds of them, and overshoots at the end of runs that have ten.
  outerLr: 0.7,
  outerMomentum: 0.6,
  admmRho: 0.1,
  l1: 0,
  clusters: 10,
  reduce: "scatter-reduce",
  quorum: 1,
  compress: "f32",
  zstd: "auto",
  labelSmoothing: 0,
  keep: "last",
  evalEvery: 1,
  seed: 1,
  storage: "fs:.sltrain",
  provider: "local",
  device: "wasm",
  precision: "f32",
  stack: "sltrain",
  // One vCPU's worth of memory on AWS Lambda.
  memoryMiB: 1769,
  // AWS Lambda's longest.
  timeoutS: 900,
  leaseMs: 3000,
  maxRestarts: 3,
  speculate: "off",
  orchestration: "peers",
  ioThread: "auto",
  bucketBytes: 1 << 20,
  // Mean frames are kept until the next checkpoint: for momentum, one weighs as much as two of them.
  checkpointEverySteps: 50,
  maxFrameBytes: 2 ** 30,
  roundTimeoutMs: 60_000,
} as const satisfies TrainConfigInput;

/** By the name of a built-in model; what is not here is as above. */
export const modelDefaults: Readonly<Record<string, TrainConfigInput>> = {
  // Lloyd's algorithm is EM's, and nothing else trains it.
  kmeans: { algorithm: "em" },
  // Adam's steps are of one size for one-hot, normalised and standardised features, where a rate of momentum's that suits
  // one is ten times too small for another: docs/algorithms.md has the accuracies. Batches grow with the data.
  lr: { batchSize: 8, optimizer: "adam", lr: 0.02, schedule: "cosine" },
  softmax: { batchSize: 8, optimizer: "adam", lr: 0.01, schedule: "cosine" },
  svm: { batchSize: 8, optimizer: "adam", lr: 0.02, schedule: "cosine" },
  mlp: { batchSize: 256, lr: 0.1, schedule: "cosine", epochs: 3 },
  lenet5: { batchSize: 64, lr: 0.03 },
  "feng-a": { data: "random-binary", batchSize: 1024, lr: 0.2, schedule: "cosine" },
  // As in the paper (He et al. 2015, sections 3.4 and 4.2).
  resnet20: { lr: 0.1, weightDecay: 1e-4 },
  resnet32: { lr: 0.1, weightDecay: 1e-4 },
  // An eighth of the papers' batch and learning rate (Simonyan and Zisserman 2014, section 3.1): functions are small.
  resnet34: { batchSize: 32, lr: 0.0125, weightDecay: 1e-4 },
  resnet50: { batchSize: 32, lr: 0.0125, weightDecay: 1e-4 },
  mobilenet: { batchSize: 32, lr: 0.0125, weightDecay: 4e-5 },
  // nanoGPT's for Shakespeare by the letter.
  "gpt-nano": {
    data: "tinyshakespeare",
    batchSize: 12,
    optimizer: "adamw",
    lr: 1e-3,
    beta2: 0.99,
    weightDecay: 0.1,
    schedule: "cosine",
    warmupSteps: 100,
    epochs: 1,
  },
  vgg19: { batchSize: 32, lr: 0.00125, weightDecay: 5e-4 },
};

/** Models whose batches grow with the data, up to this size. */
const LINEAR_MODELS: ReadonlySet<string> = new Set(["lr", "softmax", "svm"]);
const LARGEST_LINEAR_BATCH = 4096;
/** A linear model is at its optimum after some thousand steps, whatever the number of rows. */
const LINEAR_STEPS_PER_EPOCH = 256;

/**
 * The batch of a run on so many training rows, where nobody says how large: the model's own, and for linear models the
 * largest power of two that leaves an epoch 256 steps. Each worker has a row of it.
 */
export function batchSizeFor(
  {
    model,
    batchSize,
    workers,
  }: { readonly model: string; readonly batchSize: number; readonly workers: number },
  rows: number,
): number {
  if (!LINEAR_MODELS.has(model)) return batchSize;
  const byRows = 2 ** Math.floor(Math.log2(Math.max(1, rows / LINEAR_STEPS_PER_EPOCH)));
  return Math.max(batchSize, workers, Math.min(byRows, LARGEST_LINEAR_BATCH));
}

/** Optimizers that divide by the size of the gradients; a rate of theirs is none for the others, and the other way round. */
const ADAPTIVE: ReadonlySet<string> = new Set(["adam", "adamw", "adagrad"]);
/** As in the paper (Kingma and Ba 2015, algorithm 1). */
const ADAPTIVE_LR = 0.001;

/**
 * Where steps do not know all of the gradients before them. Heavy-ball momentum overshoots on what comes late: Nesterov's,
 * which is that of PowerSGD's paper (Vogels et al. 2019, algorithm 2), less so; and while the first gradients are the
 * largest, the rate rises slowly, as in Deep Gradient Compression (Lin et al. 2018, section 3.3). What is divided by the
 * size of the gradients needs neither.
 */
const lateGradients = { optimizer: "nesterov", warmupSteps: 100 } as const;

/** What an algorithm wants instead of that, of any model: diloco its paper's optimiser, at a rate that suits the small ones. */
const algorithmDefaults: Readonly<Record<string, TrainConfigInput>> = {
  diloco: { optimizer: "adamw", lr: 0.002 },
  // An epoch is a round. Without a penalty, the optimum of classes that a plane separates lies at infinity.
  admm: { epochs: 100, tolerance: 1e-3, weightDecay: 1e-3, decayExcept: "vectors" },
  em: { epochs: 100, tolerance: 1e-5 },
};

/** By name, without a parameter: those that send most of a gradient some steps late. */
const LATE_COMPRESSIONS: ReadonlySet<string> = new Set(["powersgd", "top-k", "sign"]);

export type ModelDefaults = typeof generalDefaults & TrainConfigInput;

/** What defaults depend on, as far as the user says it. */
interface Chosen {
  readonly model?: string | undefined;
  readonly algorithm?: string | undefined;
  readonly compress?: string | undefined;
  readonly optimizer?: string | undefined;
}

/** Defaults of all settings that have one without a look at the machine, the data or other settings. */
export function defaultsFor({ model = generalDefaults.model, ...chosen }: Chosen = {}): ModelDefaults {
  const ofModel = { ...generalDefaults, ...modelDefaults[model] };
  const { algorithm = ofModel.algorithm, compress = generalDefaults.compress } = chosen;
  const [compression = compress] = compress.split(":");
  // What the others exchange are no gradients.
  const isLate = algorithm === "local-sgd" || (algorithm === "ga-sgd" && LATE_COMPRESSIONS.has(compression));
  const defaults = {
    ...ofModel,
    ...(isLate && !ADAPTIVE.has(ofModel.optimizer) && lateGradients),
    ...algorithmDefaults[algorithm],
    ...{ model, algorithm },
  } as ModelDefaults;
  const { optimizer = defaults.optimizer } = chosen;
  const isAdaptive = ADAPTIVE.has(optimizer);
  if (isAdaptive === ADAPTIVE.has(defaults.optimizer)) return defaults;
  const lr: number = isAdaptive ? ADAPTIVE_LR : generalDefaults.lr;
  return { ...defaults, lr } as ModelDefaults;
}
