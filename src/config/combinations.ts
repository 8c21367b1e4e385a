// Settings that are each right and do not go together. All that need only the settings themselves are refused here,
// before anything is stored or started.

import { parseCompression } from "../allreduce/compression.ts";
import { areParameterServers } from "../allreduce/parameter-servers.ts";
import { parseReduce } from "../allreduce/patterns/index.ts";
import { parseSync } from "../allreduce/sync.ts";
import { SltrainError } from "../errors.ts";
import { meetsNowAndThen } from "./exchange-steps.ts";
import { longestLeaseMs } from "./lease.ts";
import { takesAllRows } from "./samples-per-step.ts";
import { flagName, type TrainConfig, type TrainConfigKey } from "./schema.ts";

interface Rule {
  readonly settings: readonly [TrainConfigKey, TrainConfigKey];
  readonly broken: (config: TrainConfig, isFlag: (key: TrainConfigKey) => boolean) => boolean;
  readonly because: string;
}

/** The number of levels does not depend on what is reduced. */
const NOTHING = { begin: 0, end: 0 };

const isStale = ({ sync }: TrainConfig): boolean => parseSync(sync).staleness !== undefined;

const isOnProcessor = ({ device }: TrainConfig): boolean => device === "wasm";

const isHalfPrecise = ({ precision }: TrainConfig): boolean => precision === "f16";

const goesOn = ({ quorum }: TrainConfig): boolean => quorum < 1;

const copies = ({ speculate }: TrainConfig): boolean => speculate === "on";

function keepsResiduals({ compress }: TrainConfig): boolean {
  const { codec, powerSgdTerms } = parseCompression(compress);
  return codec.biased || powerSgdTerms !== undefined;
}

const OF_LAMBDA = "it belongs to --provider lambda";

/** What an optimizer, or a batch, is to do. */
const OF_GRADIENT_STEPS = ["schedule", "clipNorm", "clipValue", "decayExcept", "augment"] as const;

const rules: readonly Rule[] = [
  {
    settings: ["frozenFeatures", "augment"],
    broken: ({ frozenFeatures, augment }) => frozenFeatures === "cache" && augment !== undefined,
    because: "features of images that change in every epoch change with them",
  },
  {
    settings: ["newHead", "weights"],
    broken: (config, isFlag) => isFlag("newHead") && config.weights === undefined,
    because: "without weights from elsewhere all layers begin anew",
  },
  {
    settings: ["sync", "algorithm"],
    broken: (config) => isStale(config) && config.algorithm !== "ga-sgd",
    because: "workers that are not in lockstep send their own updates at every step, which is ga-sgd's",
  },
  {
    settings: ["sync", "compress"],
    broken: (config) => isStale(config) && parseCompression(config.compress).powerSgdTerms !== undefined,
    because: "powersgd has all workers meet twice in a step, which those that are not in lockstep do not",
  },
  {
    settings: ["syncEvery", "algorithm"],
    broken: (config, isFlag) => isFlag("syncEvery") && !meetsNowAndThen(config),
    because: "it exchanges at every step; local-sgd and diloco do not",
  },
  {
    settings: ["rows", "data"],
    broken: ({ rows, data }) => rows !== undefined && !/^(synthetic:|random-binary(:|$))/.test(data),
    because: "only data that is made (synthetic:NAME, random-binary) has as many rows as one asks for",
  },
  ...OF_GRADIENT_STEPS.map((key): Rule => ({
    settings: [key, "algorithm"],
    broken: ({ algorithm }, isFlag) => isFlag(key) && (algorithm === "admm" || algorithm === "em"),
    because: "it solves for its parameters, and takes no steps along gradients of batches",
  })),
  {
    settings: ["decayExcept", "weightDecay"],
    broken: ({ weightDecay, l1 }, isFlag) => isFlag("decayExcept") && weightDecay === 0 && l1 === 0,
    because: "nothing decays",
  },
  {
    settings: ["batchSize", "algorithm"],
    broken: (config, isFlag) => isFlag("batchSize") && takesAllRows(config),
    because: "its steps are over all rows",
  },
  {
    settings: ["l1", "algorithm"],
    broken: ({ l1, algorithm }) => l1 > 0 && algorithm !== "admm",
    because: "only admm reaches exact zeros, by its consensus step",
  },
  {
    settings: ["clusters", "model"],
    broken: (config, isFlag) => isFlag("clusters") && config.model !== "kmeans",
    because: "only kmeans has clusters",
  },
  {
    settings: ["compress", "algorithm"],
    broken: (config) => takesAllRows(config) && config.compress !== "f32",
    because:
      "its rounds are few and each counts on what all the others found: what is lost of one stays lost",
  },
  {
    settings: ["quorum", "algorithm"],
    broken: (config) => takesAllRows(config) && goesOn(config),
    because: "a round without some worker's rows would be one of another problem",
  },
  {
    settings: ["reduce", "sync"],
    broken: (config, isFlag) => isFlag("reduce") && isStale(config),
    because: "workers that are not in lockstep send to all, and nobody adds for others",
  },
  {
    settings: ["reduce", "channel"],
    broken: (config, isFlag) => isFlag("reduce") && areParameterServers(config.channel),
    because: "parameter servers add by themselves",
  },
  {
    settings: ["quorum", "reduce"],
    broken: (config) =>
      goesOn(config) && parseReduce(config.reduce).plan(NOTHING, config.workers, 0).levels > 1,
    because:
      "who adds for a group is waited for by all others, so only scatter-reduce and all-reduce can leave anybody out",
  },
  {
    settings: ["quorum", "channel"],
    broken: (config) => goesOn(config) && areParameterServers(config.channel),
    because: "parameter servers wait for all workers",
  },
  {
    settings: ["quorum", "sync"],
    broken: (config) => goesOn(config) && isStale(config),
    because: "workers that are not in lockstep wait for nobody in a step",
  },
  {
    settings: ["quorum", "compress"],
    broken: (config) => goesOn(config) && parseCompression(config.compress).powerSgdTerms !== undefined,
    because: "powersgd's two rounds of a step must be of the same workers",
  },
  {
    settings: ["speculate", "algorithm"],
    broken: (config) => copies(config) && config.algorithm !== "ga-sgd",
    because: "a copy follows by the mean gradients of steps, which only ga-sgd leaves",
  },
  {
    settings: ["speculate", "sync"],
    broken: (config) => copies(config) && isStale(config),
    because: "workers that are not in lockstep wait for no slow one in a step",
  },
  {
    settings: ["speculate", "channel"],
    broken: (config) => copies(config) && areParameterServers(config.channel),
    because: "a copy follows by the means, which parameter servers keep to themselves",
  },
  {
    settings: ["speculate", "quorum"],
    broken: (config) => copies(config) && goesOn(config),
    because: "a step that does without a slow worker needs no copy of it, and leaves none the same state",
  },
  {
    settings: ["speculate", "reduce"],
    broken: (config) =>
      copies(config) && parseReduce(config.reduce).plan(NOTHING, config.workers, 0).levels > 1,
    because: "rank 0 tells who is slow, and sees the parts of all only with scatter-reduce and all-reduce",
  },
  {
    settings: ["speculate", "compress"],
    broken: (config) => copies(config) && keepsResiduals(config),
    because: "what a codec owes follows from a worker's own gradients, so that a copy would be as late as it",
  },
  {
    settings: ["hinge", "model"],
    broken: ({ model }, isFlag) => isFlag("hinge") && model !== "svm",
    because: "it is the loss of support vector machines",
  },
  {
    settings: ["stack", "provider"],
    broken: ({ provider }, isFlag) => isFlag("stack") && provider !== "lambda",
    because: OF_LAMBDA,
  },
  {
    settings: ["endpointUrl", "provider"],
    broken: ({ provider }, isFlag) => isFlag("endpointUrl") && provider !== "lambda",
    because: OF_LAMBDA,
  },
  {
    settings: ["minWorkers", "workers"],
    broken: ({ minWorkers = 1, workers }) => minWorkers > workers,
    because: "a run waits for the least number of workers, and has no more than the most",
  },
  {
    settings: ["minWorkers", "sync"],
    broken: (config) => config.minWorkers !== undefined && isStale(config),
    because: "without lockstep a run begins anew with all workers when one is missing",
  },
  {
    settings: ["minWorkers", "channel"],
    broken: (config) => config.minWorkers !== undefined && areParameterServers(config.channel),
    because: "with parameter servers a run begins anew with all workers when one is missing",
  },
  {
    settings: ["leaseMs", "timeoutS"],
    broken: ({ leaseMs, timeoutS }) => leaseMs > longestLeaseMs(timeoutS),
    because: "who waits for a dead worker has to notice it in a quarter of its own life",
  },
  {
    settings: ["device", "provider"],
    broken: (config) => config.device === "webgpu" && config.provider === "lambda",
    because: "AWS Lambda's functions have no GPU",
  },
  {
    settings: ["adapter", "device"],
    broken: (config, isFlag) => isFlag("adapter") && isOnProcessor(config),
    because: "wasm computes on the processor, --device webgpu on an adapter",
  },
  {
    settings: ["functionsPerGpu", "device"],
    broken: (config, isFlag) => isFlag("functionsPerGpu") && isOnProcessor(config),
    because: "wasm computes on the processor, --device webgpu on a GPU",
  },
  {
    settings: ["precision", "device"],
    broken: (config) => isHalfPrecise(config) && config.device !== "webgpu",
    because: "only a GPU's kernels compute in f16, and only --device webgpu is sure to have one",
  },
  {
    settings: ["precision", "algorithm"],
    broken: (config) => isHalfPrecise(config) && config.algorithm !== "ga-sgd",
    because: "workers have to meet in every step to skip one whose gradients overflow, which is ga-sgd's way",
  },
  {
    settings: ["precision", "sync"],
    broken: (config) => isHalfPrecise(config) && isStale(config),
    because: "workers that are not in lockstep can't skip a step together when gradients overflow",
  },
  {
    settings: ["precision", "quorum"],
    broken: (config) => isHalfPrecise(config) && goesOn(config),
    because: "whether a step is skipped for gradients that overflow depends on those of all workers",
  },
  {
    settings: ["precision", "compress"],
    broken: (config) => isHalfPrecise(config) && keepsResiduals(config),
    because:
      "it sends later what it left out, and what it had sent would be lost with a step that is skipped for gradients that overflow",
  },
];

/**
 * `isFlag`: which settings were given on the command line. There, one that would change nothing is a mistake; in a file
 * or the environment it may be meant for another run.
 *
 * Throws SltrainError "config-conflict" naming both settings, or "reduce-invalid" if the pattern is not one of so many
 * workers.
 */
export function refuseConflicts(config: TrainConfig, isFlag: (key: TrainConfigKey) => boolean): void {
  refuseMisfit(config);
  for (const { settings, broken, because } of rules) {
    if (!broken(config, isFlag)) continue;
    const [first, second] = settings.map((key) => `${flagName(key)} ${String(config[key])}`);
    throw new SltrainError({
      code: "config-conflict",
      message: `expected settings that go together, got ${first} with ${second}: ${because}`,
      suggestions: [`Leave out ${flagName(settings[0])}, or choose another ${flagName(settings[1])}.`],
    });
  }
}

function refuseMisfit({ reduce, workers: most, minWorkers = most }: TrainConfig): void {
  for (let workers = minWorkers; workers <= most; workers++) refuseMisfitFor(reduce, workers);
}

function refuseMisfitFor(reduce: string, workers: number): void {
  try {
    parseReduce(reduce).plan(NOTHING, workers, 0);
  } catch (error) {
    if (!(error instanceof SltrainError)) throw error;
    const name = reduce.replace(/:.*/, "");
    throw new SltrainError({
      code: error.code,
      message: `--reduce for --workers ${workers}: ${error.message}`,
      suggestions: [`Write --reduce ${name}, which fits any number of workers, or change --workers.`],
      cause: error,
    });
  }
}
