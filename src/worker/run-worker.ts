// One worker of one run, from its claim to its end: it takes up the newest state of its rank, trains, and leaves a result,
// or its state to a successor.

import type { Algorithm } from "../algorithms/algorithm.ts";
import { LossScale, scalesLoss } from "../algorithms/loss-scale.ts";
import { openAlgorithm } from "../algorithms/open-algorithm.ts";
import { startIoThread } from "../allreduce/io-thread/start-io-thread.ts";
import type { Attempt } from "../run/attempts.ts";
import { getJson, putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import { type MembersEntry, readMembers } from "../run/membership.ts";
import type { RunManifest, Usage, WorkerEvent } from "../run/records.ts";
import { summon } from "../run/summons.ts";
import { availableThreads, planThreads } from "./available-threads.ts";
import { changeCrew } from "./change-crew.ts";
import { equip, type Equipment, keepEquipment } from "./equipment.ts";
import { Fenced, type HeartbeatTimer } from "./heartbeat.ts";
import { LatePeers } from "./late-peers.ts";
import { openPeers, type Peers } from "./peers.ts";
import { openPost } from "./post.ts";
import { RunLimits } from "./run-limits.ts";
import { trainAsRank } from "./train-as-rank.ts";
import type { WorkerEnd, WorkerOptions } from "./worker-options.ts";

/** Throws what training throws, unless nobody needs this worker by then. */
export async function runWorker(options: WorkerOptions): Promise<WorkerEnd> {
  const end = await actAsRank(options);
  if (end.state === "handed-over") await summonSuccessor(options, end.generation);
  return end;
}

/**
 * The last thing that a worker does: its process is free before the event has come through the queue, and serves the
 * successor warm.
 */
async function summonSuccessor(
  { event, manifest, storage, functions, cursor }: WorkerOptions,
  generation: number,
): Promise<void> {
  // Whoever sees the state that was left does it instead.
  if (functions === undefined || manifest.config.orchestration === "coordinator") return;
  const successor: WorkerEvent = { ...event, generation: generation + 1, reason: "handover" };
  try {
    await summon({ storage, functions, event: successor, by: String(event.rank), step: cursor.step });
  } catch (error) {
    // Whoever sees that the state was handed over and nobody takes it tries again.
    console.error(`could not start the successor: ${String(error)}`);
  }
}

async function actAsRank(options: WorkerOptions): Promise<WorkerEnd> {
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
  const latePeers = new LatePeers(options);
  let equipment: Equipment | undefined;
  let peers: Peers | undefined;
  let post: HeartbeatTimer | undefined;
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
    // It gets ready while it claims.
    const equipping = equip({ storage, manifest, rank: event.rank, threads: threads.compute, startup });
    [equipment] = await both(equipping, takePost());
    startup.end("claim");
    const member = { ...event, generation: post!.generation };
    peers = await openPeers(member, manifest, storage, { ...equipment, ioThread, onLate: latePeers.tell });
    const algorithm = await algorithmOf(manifest, equipment, peers, fence.signal);
    const readyMs = invocation.elapsedMs;
    const ready = {
      ...{ event: member, equipment, peers, algorithm, post: post!, limits, members },
      fence,
    };
    latePeers.watch({
      ...{ event: member, stepsPerEpoch: equipment.schedule.stepsPerEpoch, startMs: readyMs },
      onVain: (reason) => fence.abort(reason),
    });
    const end = await trainAsRank(options, ready);
    const { resizedTo: workers } = end.state === "ended" ? end.result : {};
    if (workers === undefined) await post!.end(end.state);
    if (end.state !== "ended") return end;
    await putJson(storage, runKeys(event.runId).result(event.attempt, event.rank), end.result);
    if (workers === undefined) return end;
    const next = await changeCrew({
      ...{ storage, functions: options.functions, event: member, workers, usage },
      ...{ leaseMs: config.leaseMs, timeoutMs: config.roundTimeoutMs },
      late: (ranks) => latePeers.tell(ranks, "missing"),
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
    await latePeers.close();
    await post?.stop();
    await peers?.close();
    await ioThread?.stop();
    if (equipment !== undefined) keepEquipment(equipment);
  }
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
