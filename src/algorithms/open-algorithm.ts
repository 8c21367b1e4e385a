// The algorithms by the names that a configuration uses.

import type { TrainConfig } from "../config/schema.ts";
import type { Algorithm, AlgorithmOptions } from "./algorithm.ts";
import { diloco } from "./diloco.ts";
import { gaSgd } from "./ga-sgd.ts";
import { localSgd } from "./local-sgd.ts";

export type AlgorithmSettings = Pick<TrainConfig, "algorithm" | "syncEvery" | "outerLr" | "outerMomentum">;

/** Begins where the replica stands. */
export async function openAlgorithm(
  { algorithm, syncEvery, outerLr, outerMomentum }: AlgorithmSettings,
  options: AlgorithmOptions,
): Promise<Algorithm> {
  const local = { ...options, syncEvery: syncEvery === "epoch" ? options.stepsPerEpoch : syncEvery };
  switch (algorithm) {
    case "ga-sgd":
      return gaSgd(options);
    case "local-sgd":
      return localSgd(local);
    case "diloco":
      return diloco({ ...local, outerLr, outerMomentum });
  }
}
