// One worker of one run, from its claim to its end: it takes up the newest state of its rank, trains, and leaves a result,
// or its state to a successor.

import type { Algorithm } from "../algorithms/algorithm.ts";
import { LossScale, scalesLoss } from "../algorithms/loss-scale.ts";
import { openAlgorithm } from "../algorithms/open-algorithm.ts";
import type { OnLate } from "../allreduce/frame-coder.ts";
import { startIoThread } from "../allreduce/io-thread/start-io-thread.ts";
import { exchangeSteps } from "../config/exchange-steps.ts";
import { RowStream } from "../data/row-stream.ts";
import type { Functions } from "../functions/functions.ts";
import { tensorsSha256 } from "../models/safetensors.ts";
import { type Attempt, newestAttempt, type NumberedAttempt } from "../run/attempts.ts";
import { getJson, getJsonLines, putJson, putJsonLines } from "../run/json-object.ts";
import { ranksAreReplaceable } from "../run/crew.ts";
import { runKeys } from "../run/keys.ts";
import { appendMembers, type MembersEntry, otherWorkers, readMembers } from "../run/membership.ts";
import { startNextCrew } from "../run/next-crew.ts";
import type { EpochMetrics, RunManifest, Usage, WorkerEvent, WorkerResult } from "../run/records.ts";
import type { Metered } from "../storage/layers/meter.ts";
import type { Storage } from "../storage/storage.ts";
import { availableThreads, planThreads } from "./available-threads.ts";
import { newestCheckpointStep } from "./checkpoint.ts";
import { beginAttempt, type Cursor, unsweptRounds } from "./cursor.ts";
import { equip, type Equipment, keepEquipment } from "./equipment.ts";
import { Fenced, type HeartbeatTimer } from "./heartbeat.ts";
import { isWholeInStep } from "./handover.ts";
import type { Invocation } from "./invocation.ts";
import { keepBest, leaveModel } from "./model-file.ts";
import { changeCrew } from "./change-crew.ts";
import { openPeers, type Peers } from "./peers.ts";
import { claimPost, openPost } from "./post.ts";
import { Exhausted, Relay } from "./relay.ts";
import { Rescue } from "./rescue.ts";
import { RunLimits } from "./run-limits.ts";
import { Speculation } from "./speculation.ts";
import { refuseStall, stallBefore } from "./stall.ts";
import { StateKeeper } from "./state-keeper.ts";
import type { Resize } from "./stop-vote.ts";
import { trainLoop } from "./train-loop.ts";
import { WorkMeter } from "./work-meter.ts";

export interface WorkerOptions {
  readonly event: WorkerEvent;
  readonly manifest: RunManifest;
  readonly invocation: Invocation;
  readonly storage: Storage & Metered;
  /** What starts successors; without it the worker lives until the run ends, or its own time. */
  readonly functions?: Functions | undefined;
  /** Advanced in place, so that a failure can tell its step. */
  readonly cursor: Cursor;
}

/** `fenced`: nobody needs this worker, for another acts for its rank or the run is over. */
export type WorkerEnd =
  | {
      readonly state: "ended";
      readonly result: WorkerResult;
      /** The crew that goes on, of another size. */
      readonly next?: NumberedAttempt;
    }
  | { readonly state: "handed-over" | "fenced" };

/** Throws what training throws, unless nobody needs this worker by then. */
export async function runWorker(options: WorkerOptions): Promise<WorkerEnd> {
  const { event, manifest, invocation, storage } = options;
  const { startup } = invocation;
  startup.end("manifest");
  const { config, frames } = manifest;
  const threads = planThreads(config, {
    lockstep: frames.staleness === null,
    available: availableThreads({ workers: config.workers, env: process.env }),
  });
  const ioThread = threads.io ? startIoThread() : undefined;
  const fence = new AbortController();
  const isSuccessor = event.reason === "handover";
  let equipment: Equipment | undefined;
  let peers: Peers | undefined;
  let post: HeartbeatTimer | undefined;
  let rescue: Rescue | undefined;
  let speculation: Speculation | undefined;
  let limits: RunLimits | undefined;
  let members: readonly MembersEntry[] = [];
  const usage = () => ({ ...invocation.usage, requestsUsd: peers?.stats.requestsUsd ?? 0 });
  const takePost = async (): Promise<void> => {
    if (event.rank === 0) members = await readMembers(storage, runKeys(event.runId));
    limits = await openLimits(options, usage);
    post = await openPost(options, fence, () => ({
      usage: usage(),
      computed: (equipment?.replica.batchesTrained ?? 0) > 0,
      ...(limits && { spentUsd: limits.spentUsd() }),
    }));
  };
  try {
    // A successor is ready for all when it claims; others need not wait for their claim before they get ready.
    const equipping = equip({ storage, manifest, rank: event.rank, threads: threads.compute, startup });
    [equipment] = await both(equipping, isSuccessor ? undefined : takePost());
    const member = { ...event, generation: post?.generation ?? event.generation };
    const onLate: OnLate = (ranks, lateness) =>
      lateness === "slow" ? speculation?.slow(ranks) : rescue?.late(ranks);
    peers = await openPeers(member, manifest, storage, { ...equipment, ioThread, onLate });
    const algorithm = await algorithmOf(manifest, equipment, peers, fence.signal);
    const readyMs = invocation.elapsedMs;
    // While it waits for its predecessor: its own successor may have to be started in its last moment.
    if (isSuccessor) await Promise.all([takePost(), options.functions?.prepare?.()]);
    startup.end("claim");
    const ready = {
      ...{ event: member, equipment, peers, algorithm, post: post!, limits, members },
      ...{ fence, readyMs },
    };
    const { schedule } = equipment;
    rescue = new Rescue({
      ...{ storage, functions: options.functions, event: member, worldSize: config.workers },
      ...{ leaseMs: config.leaseMs, maxRestarts: config.maxRestarts, startMs: readyMs },
      step: () => options.cursor.step,
      hasWaited: () => options.cursor.stall.lives > 0 && options.cursor.stall.step === options.cursor.step,
      // Out of lockstep, only an epoch's end holds all together.
      exchangeSteps:
        frames.staleness === null ? exchangeSteps(config, schedule.stepsPerEpoch) : schedule.stepsPerEpoch,
      startCrew: ranksAreReplaceable(manifest) ? undefined : () => takeOver(options),
      onVain: (reason) => fence.abort(reason),
    });
    if (config.speculate === "on" && event.rank === 0 && options.functions !== undefined)
      speculation = new Speculation({
        ...{ storage, functions: options.functions, event: member, worldSize: config.workers },
        ...{ leaseMs: config.leaseMs, startMs: readyMs, step: () => options.cursor.step },
      });
    const end = await train(options, ready);
    const { resizedTo: workers } = end.state === "ended" ? end.result : {};
    if (workers === undefined) await post!.end(end.state);
    if (end.state !== "ended") return end;
    await putJson(storage, runKeys(event.runId).result(event.attempt, event.rank), end.result);
    if (workers === undefined) return end;
    const next = await changeCrew({
      ...{
        storage,
        functions: options.functions,
        event: member,
        workers,
        usage,
        late: (ranks) => rescue?.late(ranks),
      },
      ...{ leaseMs: config.leaseMs, timeoutMs: config.roundTimeoutMs },
    });
    // All have made what they need durable.
    await peers.collective.sweep(options.cursor.step + 1, options.cursor.step - 1);
    await post!.end("ended");
    return { ...end, next };
  } catch (error) {
    if (!(error instanceof Fenced) && !(await post?.isFenced())) throw error;
    await post?.end("fenced");
    return { state: "fenced" };
  } finally {
    await speculation?.close();
    await rescue?.close();
    await post?.stop();
    await peers?.close();
    await ioThread?.stop();
    if (equipment !== undefined) keepEquipment(equipment);
  }
}

/** In place of this worker's crew, unless another one has taken over already. */
async function takeOver({ storage, functions, manifest, event }: WorkerOptions): Promise<void> {
  const newest = await newestAttempt(storage, manifest.runId);
  if (functions === undefined || newest?.attempt !== event.attempt) return;
  await startNextCrew({ storage, functions, crew: { manifest, ...newest }, by: String(event.rank) });
}

/** The first one's value, when both are done; throws what the second one throws, else what the first one does. */
async function both<T>(first: Promise<T>, second: Promise<void> | undefined): Promise<[T]> {
  const [value, done] = await Promise.allSettled([first, second]);
  if (done.status === "rejected") throw done.reason;
  if (value.status === "rejected") throw value.reason;
  return [value.value];
}

/** Of rank 0 alone, whose vote is the run's. */
async function openLimits(
  { event, storage }: WorkerOptions,
  usage: () => Usage,
): Promise<RunLimits | undefined> {
  if (event.rank !== 0) return undefined;
  const record = await getJson<Attempt>(storage, runKeys(event.runId).attempt(event.attempt));
  return record && new RunLimits({ record, usage });
}

function algorithmOf(
  { config, frames }: RunManifest,
  { replica, optimizer, schedule }: Equipment,
  { collective, log }: Peers,
  signal: AbortSignal,
): Promise<Algorithm> {
  const { staleness } = frames;
  const batchSamples = (step: number) => schedule.batchSamples(step);
  return openAlgorithm(config, {
    ...{ replica, collective, signal, optimizerState: optimizer.stateNames },
    stepsPerEpoch: schedule.stepsPerEpoch,
    lossScale: scalesLoss(config) ? new LossScale() : undefined,
    timeoutMs: config.roundTimeoutMs,
    stale: log && staleness !== null ? { log, staleness, batchSamples } : undefined,
  });
}

/** All that a worker has when it may begin. */
interface Ready {
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
  /** By the invocation's clock: a wait for a predecessor is not in it. */
  readonly readyMs: number;
}

async function train(
  options: WorkerOptions,
  { event, equipment, peers, algorithm, post, limits, members, fence, readyMs }: Ready,
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
      ...{ storage, functions, event, ...pace },
      step: () => cursor.step,
      summons: config.orchestration !== "coordinator",
      remainingMs: () => invocation.remainingMs,
      lifeLeftMs: () => invocation.lifeLeftMs,
      startMs: readyMs,
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
    ...{ train, validation: equipment.validation, signal: fence.signal },
    replays: !isFirst,
    onLevel: act,
    // Whoever has waited away half of its life may not have enough left for one more step.
    isTired: event.reason === "handover" && invocation.spentShare > 0.5,
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
  }).catch((error: unknown) => {
    if (error instanceof Exhausted) return "exhausted" as const;
    throw error;
  });
  await act();
  if (ended === "handed-over" || (ended === "interrupted" && isWholeInStep(manifest, replica))) {
    spend();
    await keeper.handOver();
  }
  if (ended === "exhausted" || ended === "interrupted") {
    const computed = replica.batchesTrained > 0;
    refuseStall({ rank, step: cursor.step, computed, stall: cursor.stall }, invocation.lifeMs);
    await relay!.leave();
    return { state: "handed-over" };
  }
  await relay?.close();
  if (ended === "handed-over") return { state: ended };
  const isResized = typeof ended === "object";
  if (rank === 0 && !isResized) await leaveModel({ storage, manifest, replica }, epochs, cursor.step);
  const epochsOf = (step: number): number => Math.floor(step / stepsPerEpoch);
  const result: WorkerResult = {
    ...(isResized ? { reason: "resized", ...ended } : { reason: ended }),
    ...{ rank, attempt, steps: cursor.step, epochs: epochsOf(cursor.step) },
    resumedFrom: { steps: cursor.began.step, epochs: epochsOf(cursor.began.step) },
    pid: process.pid,
    endedAt: new Date().toISOString(),
    wallMs: invocation.elapsedMs,
    firstStepMs: cursor.firstStepMs ?? invocation.elapsedMs,
    startupMs: invocation.startup.stagesMs,
    firstLosses: cursor.firstLosses,
    parametersSha256: tensorsSha256(await replica.tensors()),
    peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
    arenaMiB: equipment.step.arenaBytes / 2 ** 20,
    totals: meter.totals,
    ...(equipment.gpu && { gpu: equipment.gpu }),
    ...(collective.stats.zstd && { compresses: collective.stats.zstd.compresses }),
  };
  return { state: "ended", result };
}
