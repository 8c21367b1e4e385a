// A worker's post: the generation that it acts as, and the signs of life that it gives there.

import { samplesPerStep } from "../config/samples-per-step.ts";
import { batchesPerEpoch } from "../data/order.ts";
import { watchPace } from "../plan/watch-pace.ts";
import { runKeys } from "../run/keys.ts";
import type { Heartbeat } from "../run/records.ts";
import { Fenced, HeartbeatTimer } from "./heartbeat.ts";
import { claim } from "./lease.ts";
import type { WorkerOptions } from "./worker-options.ts";

/** Of a worker's life: whoever waited for longer to be sure of a death would have too little left to train. */
const LONGEST_SILENCE = 0.25;

/**
 * Throws `Fenced` if the rank needs no other worker. A copy of a slow worker gets the post that it is to claim when it has
 * come as far (`claimPost`): its signs of life are seen by nobody until then, but its cost is.
 */
export async function openPost(
  options: WorkerOptions,
  fence: AbortController,
  readMore: () => Pick<Heartbeat, "usage" | "spentUsd" | "computed">,
): Promise<HeartbeatTimer> {
  const { event, manifest, invocation, storage, cursor } = options;
  const { config, data } = manifest;
  const { runId, rank, attempt } = event;
  const keys = runKeys(runId);
  const pace = watchPace(storage.capabilities.prices, config);
  const generation = event.reason === "speculation" ? event.generation : await claimPost(options);
  const stepsPerEpoch = batchesPerEpoch(data.counts.train, samplesPerStep(config, data.counts.train));
  return new HeartbeatTimer({
    ...{ storage, keys, fence, worker: { rank, attempt, generation } },
    ...{ beatMs: rank === 0 ? pace.leaderBeatMs : pace.beatMs, stalledBeatMs: config.leaseMs / 3 },
    lookMs: rank === 0 ? Math.min(pace.lookMs, pace.leaderBeatMs) : pace.lookMs,
    read: () => ({
      ...readMore(),
      remainingMs: invocation.lifeLeftMs,
      step: cursor.step,
      stall: cursor.stall,
      epoch: Math.floor(cursor.step / stepsPerEpoch) + 1,
      samples: (cursor.step % stepsPerEpoch) * samplesPerStep(config, data.counts.train),
      loss: cursor.epochSamples > 0 ? cursor.epochLoss / cursor.epochSamples : null,
      ...(cursor.firstStepMs === null ? {} : { firstStepMs: cursor.firstStepMs }),
    }),
  });
}

/** The generation that this worker acts as from now on. Throws `Fenced` if the rank needs no other worker. */
export async function claimPost({
  event,
  manifest: { config },
  invocation,
  storage,
}: WorkerOptions): Promise<number> {
  const { runId, rank, attempt, reason } = event;
  const { leaderBeatMs } = watchPace(storage.capabilities.prices, config);
  const generation = await claim({
    ...{ storage, keys: runKeys(runId), attempt, rank, generation: event.generation, reason },
    requestId: invocation.requestId,
    // The run's own sign of life is rank 0's.
    silenceMs: Math.min(Math.max(config.leaseMs, 2 * leaderBeatMs), LONGEST_SILENCE * invocation.lifeMs),
  });
  if (generation === undefined) throw new Fenced();
  return generation;
}
