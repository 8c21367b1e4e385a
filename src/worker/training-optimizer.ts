// The optimiser that a run's configuration describes.

import type { TrainConfig } from "../config/schema.ts";
import { optimizerOf, type Optimizer } from "../optim/optimizer.ts";

/** `schedule: "step"` divides the rate by ten after each third of the run; "cosine" ends at zero. */
export function trainingOptimizer(config: TrainConfig, totalSteps: number): Optimizer {
  const decays = {
    constant: { kind: "constant" },
    cosine: { kind: "cosine", floor: 0 },
    step: { kind: "step", everySteps: Math.max(1, Math.ceil(totalSteps / 3)), factor: 0.1 },
  } as const;
  return optimizerOf({
    optimizer: config.optimizer,
    lr: config.lr,
    momentum: config.momentum,
    beta1: config.momentum,
    weightDecay: config.weightDecay,
    warmUpSteps: config.warmupSteps,
    decay: decays[config.schedule],
  });
}
