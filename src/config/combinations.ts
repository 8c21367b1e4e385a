// Settings that are each right and do not go together. All that need only the settings themselves are refused here,
// before anything is stored or started.

import { parseCompression } from "../allreduce/compression.ts";
import { parseReduce } from "../allreduce/patterns/index.ts";
import { parseSync } from "../allreduce/sync.ts";
import { SltrainError } from "../errors.ts";
import { flagName, type TrainConfig, type TrainConfigKey } from "./schema.ts";

interface Rule {
  readonly settings: readonly [TrainConfigKey, TrainConfigKey];
  readonly broken: (config: TrainConfig) => boolean;
  readonly because: string;
}

const isStale = ({ sync }: TrainConfig): boolean => parseSync(sync).staleness !== undefined;

const rules: readonly Rule[] = [
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
];

/**
 * Throws SltrainError "config-conflict" naming both settings, or "reduce-invalid" if the pattern is not one of so many
 * workers.
 */
export function refuseConflicts(config: TrainConfig): void {
  parseReduce(config.reduce).plan({ begin: 0, end: 0 }, config.workers, 0);
  for (const { settings, broken, because } of rules) {
    if (!broken(config)) continue;
    const [first, second] = settings.map((key) => `${flagName(key)} ${String(config[key])}`);
    throw new SltrainError({
      code: "config-conflict",
      message: `expected settings that go together, got ${first} with ${second}: ${because}`,
      suggestions: [`Leave out ${flagName(settings[0])} or ${flagName(settings[1])}.`],
    });
  }
}
