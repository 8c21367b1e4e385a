// SGD without lockstep: each rank updates its parameters from its own samples, appends that update to a log, and adds
// those of its peers that are there. A rank may be a bounded number of steps ahead of the slowest (SSP: Ho et al. 2013,
// section 3) or any (ASP). W ranks' updates are together as large as one of a step in lockstep: each is scaled by its
// share of the batch. The optimiser's state stays with its rank.
//
// At an epoch's end all add all updates, so that replicas differ by rounding only, and meet at their mean: from there on
// they are equal. In between they are not, and not from run to run: what is there to be added depends on timing.

import type { DeltaLog } from "../allreduce/delta-log.ts";
import { type Algorithm, type AlgorithmOptions, vectorsOf } from "./algorithm.ts";
import { Meeting } from "./meeting.ts";

export interface StaleSgdOptions extends AlgorithmOptions {
  readonly log: DeltaLog;
  /** Samples of the whole batch that `step` belongs to. */
  readonly batchSamples: (step: number) => number;
  /** Steps by which this rank may be ahead of the slowest. */
  readonly staleness: number;
}

/** The collective's codec should be exact: what is averaged are whole parameters. */
export async function staleSgd(options: StaleSgdOptions): Promise<Algorithm> {
  const { replica, optimizerState, log, batchSamples, staleness, stepsPerEpoch, timeoutMs, signal } = options;
  const meeting = await Meeting.open(options);
  const update = new Float32Array(replica.parameters.length);
  return {
    async step({ step, batch, hyper, stopVote }) {
      const inEpoch = step % stepsPerEpoch;
      if (inEpoch === 0) log.begin(step);
      update.set(await replica.read("parameters"));
      if (batch) await meeting.count(batch.count, await replica.startLocalStep(batch, hyper));
      const parameters = await replica.read("parameters");
      takeUpdate(parameters, update, (batch?.count ?? 0) / batchSamples(step));
      await log.append(update, parameters);
      const epochEnd = step - inEpoch + stepsPerEpoch;
      const ends = step + 1 === epochEnd;
      const until = ends ? epochEnd : step + 1 - staleness;
      await log.fold(parameters, { until, before: epochEnd, timeoutMs, signal });
      replica.write("parameters", parameters);
      log.release();
      await log.sweep();
      if (!ends) return undefined;
      const outcome = await meeting.meet(step, stopVote);
      // Whoever has met the others knows that all had added everything.
      await log.sweep({ all: true });
      return outcome;
    },
    state: async () => ({
      shared: await meeting.state(),
      own: { ...(await vectorsOf(replica, optimizerState)), "deltas.residual": log.state.residual! },
    }),
    restore({ shared, own: { "deltas.residual": residual, ...own } }) {
      meeting.restore(shared);
      log.restore({ ...log.state, residual: residual! });
      for (const [name, values] of Object.entries(own)) replica.write(name, values);
    },
  };
}

/** `values` go back to what they were, which `update` held; `update` becomes `share` of what they gained. */
function takeUpdate(values: Float32Array, update: Float32Array, share: number): void {
  for (let i = 0; i < values.length; i++) {
    const before = update[i]!;
    update[i] = share * (values[i]! - before);
    values[i] = before;
  }
}
