// Local SGD (Stich 2018, algorithm 1): every rank takes steps of its own, then all meet at the mean of their parameters.
// Meeting once an epoch is KubeML's K-averaging with K = infinity. The optimiser's state stays with its rank.

import { type Algorithm, type AlgorithmOptions, vectorsOf } from "./algorithm.ts";
import { Meeting, type OuterUpdate } from "./meeting.ts";

export interface LocalSgdOptions extends AlgorithmOptions {
  /** Steps from one exchange to the next, counted from an epoch's start; an epoch's end is always one. */
  readonly syncEvery: number;
  /** What becomes of the ranks' mean way; by default they go it. */
  readonly outer?: OuterUpdate;
}

export async function localSgd(options: LocalSgdOptions): Promise<Algorithm> {
  const { replica, optimizerState, syncEvery, stepsPerEpoch } = options;
  const meeting = await Meeting.open(options);
  return {
    async step({ step, batch, hyper, stopVote }) {
      if (batch) await meeting.count(batch.count, await replica.startLocalStep(batch, hyper));
      const finished = (step % stepsPerEpoch) + 1;
      const meets = finished % syncEvery === 0 || finished === stepsPerEpoch;
      return meets ? meeting.meet(step, stopVote) : undefined;
    },
    state: async () => ({
      shared: await meeting.state(),
      own: await vectorsOf(replica, optimizerState),
    }),
    restore({ shared, own }) {
      meeting.restore(shared);
      for (const [name, values] of Object.entries(own)) replica.write(name, values);
    },
  };
}
