// DiLoCo (Douillard et al. 2023, algorithm 1): local SGD whose mean way is a gradient to an outer optimiser, Nesterov
// momentum in PyTorch's form. The inner optimiser is the run's own (AdamW in the paper). Ranks weigh by their samples,
// which in the paper are equal.

import type { Algorithm } from "./algorithm.ts";
import { type LocalSgdOptions, localSgd } from "./local-sgd.ts";
import type { OuterUpdate } from "./meeting.ts";

export interface DilocoOptions extends Omit<LocalSgdOptions, "outer"> {
  /** 0.7 in the paper. */
  readonly outerLr: number;
  /** 0.9 in the paper. */
  readonly outerMomentum: number;
}

export function diloco(options: DilocoOptions): Promise<Algorithm> {
  const { replica, outerLr, outerMomentum } = options;
  return localSgd({ ...options, outer: nesterov(replica.parameters.length, outerLr, outerMomentum) });
}

/** v = momentum * v + g; x -= lr * (g + momentum * v), where the pseudo-gradient g is the mean way backwards. */
function nesterov(length: number, lr: number, momentum: number): OuterUpdate {
  const velocity = new Float32Array(length);
  return {
    state: { "outer.momentum": velocity },
    apply(point, meanWay) {
      for (let i = 0; i < length; i++) {
        // Way and velocity both point forwards.
        velocity[i] = momentum * velocity[i]! + meanWay[i]!;
        point[i]! += lr * (meanWay[i]! + momentum * velocity[i]!);
      }
    },
  };
}
