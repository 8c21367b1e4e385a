// The algorithms by the names that a configuration uses.

import { exchangeSteps } from "../config/exchange-steps.ts";
import type { TrainConfig } from "../config/schema.ts";
import { parseSpared } from "../optim/spared-tensors.ts";
import { admm } from "./admm.ts";
import type { Algorithm, AlgorithmOptions } from "./algorithm.ts";
import { diloco } from "./diloco.ts";
import { em } from "./em.ts";
import { gaSgd } from "./ga-sgd.ts";
import { localSgd } from "./local-sgd.ts";
import { penaltyOf } from "./proximal.ts";
import { staleSgd, type StaleSgdOptions } from "./stale-sgd.ts";

export type AlgorithmSettings = Pick<
  TrainConfig,
  | "algorithm"
  | "syncEvery"
  | "outerLr"
  | "outerMomentum"
  | "tolerance"
  | "seed"
  | "admmRho"
  | "l1"
  | "weightDecay"
  | "decayExcept"
>;

export interface OpenAlgorithmOptions extends AlgorithmOptions {
  /** Where ranks are not in lockstep. */
  readonly stale: Pick<StaleSgdOptions, "log" | "staleness" | "batchSamples"> | undefined;
}

/** Begins where the replica stands. */
export async function openAlgorithm(
  settings: AlgorithmSettings,
  options: OpenAlgorithmOptions,
): Promise<Algorithm> {
  const local = { ...options, syncEvery: exchangeSteps(settings, options.stepsPerEpoch) };
  switch (settings.algorithm) {
    case "ga-sgd":
      return options.stale ? staleSgd({ ...options, ...options.stale }) : gaSgd(options);
    case "local-sgd":
      return localSgd(local);
    case "diloco":
      return diloco({ ...local, outerLr: settings.outerLr, outerMomentum: settings.outerMomentum });
    case "admm": {
      const { decayExcept, l1, weightDecay: l2 } = settings;
      const spares = decayExcept === undefined ? undefined : parseSpared(decayExcept);
      const penalty = penaltyOf({ l1, l2 }, options.replica.parameters, spares);
      return admm({ ...options, rho: settings.admmRho, tolerance: settings.tolerance ?? 0, penalty });
    }
    case "em":
      return em({ ...options, tolerance: settings.tolerance ?? 0, seed: settings.seed });
  }
}
