// Follows a run from its crew's start, or from wherever it is, to the end of its last worker: tells what happens, starts
// again who is silent while nothing goes on, and moves on to the next crew where one takes over.

import { setTimeout as sleep } from "node:timers/promises";
import { errorRecord, SltrainError } from "../errors.ts";
import { watchPace } from "../plan/watch-pace.ts";
import { type Attempt, newestAttempt, ofCrew } from "../run/attempts.ts";
import { getJson, putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { WorkerFailure } from "../run/records.ts";
import { succeedCrew } from "../run/succeed-crew.ts";
import { resumeCommand } from "../run/resume-command.ts";
import { type ResizeRequest, requestWorkers } from "../run/membership.ts";
import { startNextCrew } from "../run/next-crew.ts";
import type { Storage } from "../storage/storage.ts";
import { counted } from "../units.ts";
import { type Crew, ranksAreReplaceable } from "../run/crew.ts";
import type { TrainEvent } from "./events.ts";
import { lambdaEstimate } from "./lambda-estimate.ts";
import type { Provider } from "./provider.ts";
import { CrewSize } from "./resize.ts";
import { readRunUse } from "./run-use.ts";
import { Revival } from "./revive.ts";
import type { RunFunctions } from "./run-functions.ts";
import { type RankLease, RunWatch, WorkerFailed } from "./watch.ts";
import { workerError } from "./worker-error.ts";

/** The ranks of a crew have so long to make the next one. */
const PATIENCE_LEASES = 4;
/** Rank 0 tells its step less often than the coordinator looks. */
const LOOKS_WITHOUT_NEWS = 4;
/**
 * Pauses grow with the run's age up to its pace: a dozen looks more in all, and a run of seconds is not kept waiting for
 * the pace of one of hours.
 */
const FIRST_PAUSE_MS = 300;

export interface FollowOptions {
  readonly storage: Storage;
  /** Where rank 0's heartbeats and the metrics are read. */
  readonly progress: Storage;
  readonly crew: Crew;
  readonly provider: Provider;
  readonly functions: RunFunctions;
  /** Whether workers that died are started again while the run makes no progress. */
  readonly revives: boolean;
  /** Epochs that need not be told. */
  readonly epochsBefore: number;
  readonly onEvent: (event: TrainEvent) => void;
  /** Aborted: the run is left to itself. */
  readonly leave?: AbortSignal;
}

/** The crew that has ended; undefined if the run was left. Throws what the run failed with, naming rank, step and log. */
export async function followRun(options: FollowOptions): Promise<Crew | undefined> {
  let { crew, epochsBefore } = options;
  const { workers: max, minWorkers: min, leaseMs } = crew.manifest.config;
  const size = min === undefined || !options.revives ? undefined : new CrewSize({ min, max, leaseMs });
  const onEvent = (event: TrainEvent): void => {
    if (event.event === "epoch") epochsBefore = event.epoch;
    options.onEvent(event);
  };
  for (;;) {
    const next = await followCrew({ ...options, crew, epochsBefore, onEvent }, size);
    if (next === "left") return undefined;
    if (next === "ended") return crew;
    const { attempt, record } = next;
    const { workers } = record;
    const isResized = workers !== crew.record.workers;
    options.onEvent(
      isResized ? { event: "run.resized", attempt, workers } : { event: "run.restarted", attempt },
    );
    crew = next;
  }
}

async function followCrew(
  options: FollowOptions,
  size: CrewSize | undefined,
): Promise<Crew | "ended" | "left"> {
  const { storage, crew, functions, revives, leave } = options;
  const { workers } = crew.record;
  const { config } = crew.manifest;
  const pace = watchPace(storage.capabilities.prices, config);
  // Rank 0 tells where the run is, others only that they live.
  const silenceMs = Math.max(config.leaseMs, 3 * pace.leaderBeatMs);
  const startsSuccessors = config.orchestration === "coordinator";
  // Workers look after each other before; but nobody else starts a successor then.
  const patienceMs = startsSuccessors ? LOOKS_WITHOUT_NEWS * pace.pollMs : config.leaseMs;
  const watch = watchOf(options);
  const isReplaceable = ranksAreReplaceable(crew.manifest);
  const summons = revives && isReplaceable;
  const revival = new Revival({ storage, crew, functions, silenceMs, summons, startsSuccessors });
  const startedMs = performance.now();
  let seen = "";
  let sinceMs = startedMs;
  try {
    while (!(await watch.poll())) {
      if (leave?.aborted) return "left";
      if (watch.progress !== seen) {
        seen = watch.progress;
        sinceMs = performance.now();
        revival.progressed();
        size?.progressed(workers);
        if (size?.mayGrow(workers)) await growCrew(options);
      }
      const stands = performance.now() - sinceMs >= patienceMs;
      if (stands) {
        const silent = await revival.look(watch.open, watch.leader?.step ?? 0);
        if (!revives && silent.length === watch.open.length)
          throw nobodyAlive(crew.manifest.runId, storage.uri);
        const next = silent.length > 0 ? await nextCrew(options) : undefined;
        if (next) return next;
        const left = size?.without(silent, workers);
        const smaller = left === undefined ? undefined : await shrinkCrew(options, left);
        if (smaller) {
          size!.shrunk();
          return smaller;
        }
      }
      const successor = isReplaceable ? undefined : await crewAfter(storage, crew);
      if (successor) return successor;
      const youngMs = Math.max(FIRST_PAUSE_MS, (performance.now() - startedMs) / 2);
      await pause(Math.min(pace.pollMs, youngMs, stands ? config.leaseMs / 4 : Infinity), leave);
    }
    return watch.resizedTo === undefined ? "ended" : await resizedCrew(options, watch.resizedTo, pace.pollMs);
  } catch (error) {
    const failure = failureOf(error, options, watch);
    if (!failure) throw error;
    // Its peers would wait for whom nobody starts any more.
    const key = runKeys(crew.manifest.runId).workerFailure(crew.attempt, failure.rank);
    await putJson(storage, key, failure, { ifAbsent: true });
    throw error instanceof WorkerFailed ? await workerError({ ...options, failure }) : error;
  }
}

/** What the workers are told of an error that ends the run; undefined if it is none of the run's. */
function failureOf(error: unknown, { crew }: FollowOptions, watch: RunWatch): WorkerFailure | undefined {
  if (error instanceof WorkerFailed) return error.failure;
  if (!(error instanceof SltrainError) || !error.code.startsWith("function")) return undefined;
  const rank = watch.open[0]?.rank ?? 0;
  return { rank, attempt: crew.attempt, step: watch.leader?.step ?? 0, ...errorRecord(error, error.code) };
}

function watchOf({ storage, progress, crew, epochsBefore, onEvent }: FollowOptions): RunWatch {
  const { manifest, attempt } = crew;
  const { workers } = crew.record;
  const costUsd = lambdaEstimate(ofCrew(manifest, workers));
  return new RunWatch({
    ...{ storage, progress, runId: manifest.runId, attempt, workers, epochsBefore },
    onLease: (holder, step) => onEvent(leaseEvent(holder, step)),
    onWorkerEnded: ({ rank, peakMemoryMiB, firstStepMs }) =>
      onEvent({ event: "worker.ended", rank, peakMemoryMiB, firstStepMs }),
    onEpoch: (metrics) =>
      onEvent({
        event: "epoch",
        ...metrics,
        lambdaCostUsd: costUsd({ wallMs: metrics.elapsedMs, steps: metrics.step, epochs: metrics.epoch }),
      }),
    onProgress: ({ epoch, samples, loss, spentUsd = null }) =>
      onEvent({ event: "progress", epoch, samples, loss, spentUsd }),
  });
}

function leaseEvent({ rank, generation, lease: { reason, requestId } }: RankLease, step: number): TrainEvent {
  if (generation === 0) return { event: "worker.started", rank, requestId };
  const event = reason === "handover" ? "worker.handed-over" : "worker.restarted";
  return { event, rank, generation, step, requestId };
}

/** The next crew, if somebody has started it. */
async function crewAfter(storage: Storage, { manifest, attempt }: Crew): Promise<Crew | undefined> {
  const key = runKeys(manifest.runId).attempt(attempt + 1);
  const record = await getJson<Attempt>(storage, key);
  return record && { manifest, attempt: attempt + 1, record };
}

/** Where single ranks cannot be replaced, all begin again at the newest checkpoint: whoever is first starts them. */
async function nextCrew({ storage, crew, functions, revives }: FollowOptions): Promise<Crew | undefined> {
  const { manifest, attempt } = crew;
  const newest = await newestAttempt(storage, manifest.runId);
  if (newest && newest.attempt > attempt) return { manifest, ...newest };
  if (!revives || ranksAreReplaceable(manifest)) return undefined;
  const record = { ...crew.record, functions: await functions.uri() };
  return startNextCrew({ storage, functions, crew: { ...crew, record }, by: "coordinator" });
}

/** Goes on with those for whom functions are to be had; undefined if somebody else has made the next crew. */
async function shrinkCrew(
  { storage, crew, functions, onEvent }: FollowOptions,
  workers: number,
): Promise<Crew | undefined> {
  const { runId } = crew.manifest;
  const missing = crew.record.workers - workers;
  onEvent({
    event: "warning",
    message: `no functions to be had for ${counted(missing, "worker")}: going on with ${workers}`,
  });
  const spentUsd = (await readRunUse(storage, runId)).cost.total + crew.record.before.total;
  const record = { ...crew.record, functions: await functions.uri() };
  const smaller = { workers, spentUsd };
  return startNextCrew({ storage, functions, crew: { ...crew, record }, smaller, by: "coordinator" });
}

/** Asks for all workers again, unless somebody has wanted another number since. */
async function growCrew({ storage, crew: { manifest } }: FollowOptions): Promise<void> {
  const { runId, config } = manifest;
  const keys = runKeys(runId);
  const request = await getJson<ResizeRequest>(storage, keys.resize);
  if (request?.scarce) await requestWorkers(storage, runId, { workers: config.workers });
}

/** Its workers make it; if none is left that could, all of it is started from here. */
async function resizedCrew(
  { storage, crew, functions, revives, onEvent, leave }: FollowOptions,
  workers: number,
  pollMs: number,
): Promise<Crew | "left"> {
  const { manifest, attempt, record } = crew;
  const { runId, config } = manifest;
  const untilMs = performance.now() + PATIENCE_LEASES * config.leaseMs;
  while (!leave?.aborted) {
    const newest = await newestAttempt(storage, runId);
    if (newest && newest.attempt > attempt) return { manifest, ...newest };
    if (revives && performance.now() > untilMs) {
      const next = await succeedCrew({
        ...{ storage, runId, crew: { attempt, record }, workers, startsFrom: 0, by: "coordinator" },
        spentUsd: (await readRunUse(storage, runId)).cost.total + record.before.total,
        functions: { uri: await functions.uri(), client: functions },
        onRefusal: (error) =>
          onEvent({ event: "warning", message: `could not start a worker: ${String(error)}` }),
      });
      return { manifest, ...next };
    }
    await pause(pollMs, leave);
  }
  return "left";
}

function nobodyAlive(runId: string, storageUri: string): SltrainError {
  return new SltrainError({
    code: "run-dead",
    message: `expected a worker of ${runId} that is alive, got none`,
    suggestions: [`\`${resumeCommand(runId, storageUri)}\` goes on from where the run was.`],
  });
}

async function pause(ms: number, leave: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, leave && { signal: leave }).catch((error: unknown) => {
    if (!leave?.aborted) throw error;
  });
}
