// From the newest state of a worker's rank to the run's end, or to a successor: the training loop with all that goes on beside
// it. Who acts for a rank, and how its peers are watched, is run-worker.ts's.

import type { Algorithm } from "../algorithms/algorithm.ts";
import { exchangeSteps } from "../config/exchange-steps.ts";
import { RowStream } from "../data/row-stream.ts";
import { getJsonLines, putJsonLines } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import { appendMembers, type MembersEntry, otherWorkers } from "../run/membership.ts";
import type { EpochMetrics, WorkerEvent } from "../run/records.ts";
import { newestCheckpointStep } from "./checkpoint.ts";
import { beginAttempt, unsweptRounds } from "./cursor.ts";
import type { Equipment } from "./equipment.ts";
import { isWholeInStep } from "./handover.ts";
import { Fenced, type HeartbeatTimer } from "./heartbeat.ts";
import { keepBest, leaveModel } from "./model-file.ts";
import type { Peers } from "./peers.ts";
import { claimPost } from "./post.ts";
import { Exhausted, Relay } from "./relay.ts";
import type { RunLimits } from "./run-limits.ts";
import { refuseStall, stallBefore } from "./stall.ts";
import { StateKeeper } from "./state-keeper.ts";
import type { Resize } from "./stop-vote.ts";
import { trainLoop } from "./train-loop.ts";
import { WorkMeter } from "./work-meter.ts";
import type { WorkerEnd, WorkerOptions } from "./worker-options.ts";
import { workerResult } from "./worker-result.ts";

/** All that a worker has when it may begin. */
export interface Ready {
  /** With the generation that it acts as. */
  readonly event: WorkerEvent;
  readonly equipment: Equipment;
  readonly peers: Peers;
  readonly algorithm: Algorithm;
  readonly post: HeartbeatTimer;
  readonly limits: RunLimits | undefined;
  /** Known to rank 0. */
  readonly members: readonly MembersEntry[];
  readonly fence: AbortController;
}

/** Throws what training throws, and Fenced where nobody needs this worker. */
export async function trainAsRank(
  options: WorkerOptions,
  { event, equipment, peers, algorithm, post, limits, members, fence }: Ready,
): Promise<WorkerEnd> {
  const { manifest, invocation, storage, functions, cursor } = options;
  const { runId, rank, attempt, generation } = event;
  const { config } = manifest;
  const { schedule, optimizer, replica } = equipment;
  const { stepsPerEpoch } = schedule;
  const { collective } = peers;
  const keys = runKeys(runId);
  const of = { storage, keys, attempt, rank, worldSize: config.workers };
  const keeper = new StateKeeper({ of, generation, algorithm, collective, cursor });
  const isFirst = attempt === 0 && generation === 0;
  const pace = { stepsPerEpoch, exchangeSteps: exchangeSteps(config, stepsPerEpoch) };
  if (!isFirst) {
    await keeper.restore();
    collective.inherit(unsweptRounds(cursor, pace));
  }
  beginAttempt(cursor, attempt);
  cursor.stall = await stallBefore(of, generation);
  const stored = isFirst || rank !== 0 ? [] : await getJsonLines<EpochMetrics>(storage, keys.metrics);
  const epochs = stored.filter(({ step }) => step <= cursor.step);
  const { train } = equipment;
  const meter = new WorkMeter(peers, equipment.device, cursor, () =>
    train instanceof RowStream ? train.waitedMs : 0,
  );
  const spend = (): void => {
    cursor.spent = meter.totals;
    cursor.epochSpent = meter.lapStart;
    cursor.pace = relay?.pace ?? cursor.pace;
  };
  const validationSteps = Math.ceil(equipment.validation.count / schedule.largestShare);
  const resize = (step: number): Resize | undefined => {
    const { began } = cursor;
    const crew = { workers: config.workers, began: began.step, requested: post.workersWanted };
    const resizedTo = otherWorkers(members, { ...crew, step });
    return resizedTo === undefined ? undefined : { resizedTo };
  };
  const relay =
    functions &&
    new Relay({
      ...pace,
      remainingMs: () => invocation.remainingMs,
      lifeLeftMs: () => invocation.lifeLeftMs,
      stateBytes: await keeper.sizeBytes(),
      stateMs: () => keeper.longestMs,
      validationMs: () =>
        (meter.totals.computeMs / Math.max(1, cursor.step - cursor.began.step)) * validationSteps,
      before: cursor.pace,
      mayInterrupt: isWholeInStep(manifest, replica),
    });
  /** Whether this worker acts for its rank: a copy of a slow one only follows until it is level with it. */
  let acts = event.reason !== "speculation";
  const act = async (): Promise<void> => {
    if (acts) return;
    // What it would follow by is swept: it is not level, but left behind.
    if ((await newestCheckpointStep(of)) > cursor.step) throw new Fenced();
    await claimPost(options);
    acts = true;
    relay?.watch(fence);
  };
  if (acts) relay?.watch(fence);
  const ended = await trainLoop({
    ...{ manifest, replica, optimizer, algorithm, collective, schedule, cursor, meter },
    ...{ train, parts: equipment.parts, validation: equipment.validation, signal: fence.signal },
    replays: !isFirst,
    onLevel: act,
    vote: (step) => (post.stopRequested() ? "stop-requested" : (limits?.reached() ?? resize(step + 1))),
    onStep: (outcome) => {
      invocation.startup.end("firstStep");
      cursor.firstStepMs ??= invocation.elapsedMs;
      post.stepped();
      if (outcome === undefined) return;
      relay?.exchanged();
      limits?.exchanged();
    },
    onEpoch: async (epoch) => {
      if (rank !== 0) return;
      epochs.push(epoch);
      await keepBest({ storage, manifest, replica }, epochs);
      await putJsonLines(storage, keys.metrics, epochs);
    },
    onCheckpoint: async () => {
      const { step: fromStep, decided } = cursor;
      if (rank === 0 && typeof decided === "object" && decided !== null)
        await appendMembers(storage, keys, { fromStep, workers: decided.resizedTo });
      spend();
      await keeper.checkpoint();
    },
    handsOver: (stepsLeft) => acts && (relay?.isDue(stepsLeft) ?? false),
  })
    .catch((error: unknown) => {
      if (error instanceof Exhausted) return "exhausted" as const;
      throw error;
    })
    .finally(() => relay?.close());
  await act();
  if (ended === "handed-over" || (ended === "interrupted" && isWholeInStep(manifest, replica))) {
    spend();
    await keeper.handOver();
  }
  if (ended === "exhausted" || ended === "interrupted") {
    const computed = replica.batchesTrained > 0;
    refuseStall({ rank, step: cursor.step, computed, stall: cursor.stall }, invocation.lifeMs);
    return { state: "handed-over", generation };
  }
  if (ended === "handed-over") return { state: ended, generation };
  const isResized = typeof ended === "object";
  if (rank === 0 && !isResized) await leaveModel({ storage, manifest, replica }, epochs, cursor.step);
  const result = await workerResult(options, { event, equipment, collective, meter, ended });
  return { state: "ended", result };
}
