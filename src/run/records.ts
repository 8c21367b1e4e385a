// The records that the coordinator, the workers and the reporting commands share through storage.

import type { TrainConfig } from "../config/schema.ts";
import type { DataManifest } from "../data/manifest.ts";
import type { ErrorRecord } from "../errors.ts";
import type { LossName } from "../models/build.ts";
import type { Topology } from "../models/topology.ts";
import type { GpuShare, NamedGpu } from "../plan/gpu-placement.ts";
import type { BilledUse, RunCost } from "../plan/run-cost.ts";
import type { StoredWeights } from "./stored-weights.ts";
import type { FrameBudget } from "./frame-budget.ts";

export const RUN_SCHEMA_VERSION = 2;

/** The whole model of a run that trains its end alone, on features that the frozen beginning made ahead. */
export interface Extraction {
  readonly topology: Topology;
  /** Of the data set that the features were made of. */
  readonly data: DataManifest;
  /** From the model's input to the features. */
  readonly extractor: Topology;
  /** The extractor's weights. */
  readonly stored: StoredWeights;
}

/** Everything that decides the run's result, written once before the first worker starts. */
export interface RunManifest {
  readonly schemaVersion: typeof RUN_SCHEMA_VERSION;
  readonly runId: string;
  readonly createdAt: string;
  readonly config: TrainConfig;
  readonly data: DataManifest;
  readonly topology: Topology;
  /** Where `topology` and `data` are the end of a model and the features that it reads. */
  readonly extraction?: Extraction;
  readonly loss: LossName;
  /** What the model begins with, where that is no function of the seed. */
  readonly weights?: {
    readonly from: string;
    readonly hash: string;
    /** Tensors that begin by the seed all the same. */
    readonly fresh: readonly string[];
    readonly stored: StoredWeights;
  };
  /** By class: what a sample's loss is multiplied by in training. */
  readonly classWeights?: readonly number[];
  readonly parameterCount: number;
  readonly frames: FrameBudget;
  readonly versions: { readonly sltrain: string; readonly node: string; readonly v8: string };
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryMiB: number;
    readonly platform: string;
    /** That the first crew's functions compute on; absent for wasm. */
    readonly gpus?: readonly GpuShare[];
  };
}

/** What a function is started with; nothing else reaches it. */
interface RunEvent {
  readonly schemaVersion: typeof RUN_SCHEMA_VERSION;
  readonly runId: string;
  readonly storage: string;
  readonly channel: string;
  /** What starts functions (functions/open-functions.ts); absent where a worker can start none. */
  readonly functions?: string;
  /** The run's crew: 0 for a fresh run; each resumption, and each change of their number, counts one up. */
  readonly attempt: number;
  /** In this crew; the run may have begun with more or fewer. */
  readonly workers: number;
  /** The crew since which frames lie under another name (run/crew.ts); absent: the run's first. */
  readonly framesOf?: number;
}

/** `start`: with its crew. `handover`: to take over what the one before it hands over. `rescue`: in place of a dead one.
 * `speculation`: beside a slow one, until it has come as far. */
export type StartReason = "start" | "handover" | "rescue" | "speculation";

/** Becomes one worker of a crew. */
export interface WorkerEvent extends RunEvent {
  readonly kind: "worker";
  readonly rank: number;
  /** How often this rank of the crew was started before. */
  readonly generation: number;
  readonly reason: StartReason;
}

/** Starts workers, or further starters for parts of them. */
export interface StarterEvent extends RunEvent {
  readonly kind: "starter";
  /** Ranks [begin, end). */
  readonly ranks: readonly [begin: number, end: number];
}

/** Computes parts of a stage of `sltrain data transform` (worker/mapper.ts); `attempt` counts who did before. */
export interface MapperEvent extends RunEvent {
  readonly kind: "mapper";
  /** Id of the data set that is made. */
  readonly data: string;
  readonly stage: number;
  /** [begin, end) of the stage's. */
  readonly parts: readonly [begin: number, end: number];
}

export type FunctionEvent = WorkerEvent | StarterEvent | MapperEvent;

/** Who acts as a generation of a rank: put if absent. The next generation's fences it off. */
export interface Lease {
  /** Of the invocation that holds it; its repetitions have the same. */
  readonly requestId: string;
  /** Of this holder and no other. */
  readonly nonce: string;
  readonly reason: StartReason;
  readonly at: string;
}

/** Who wants a generation of a rank to be started: put if absent, and whoever puts it invokes. */
export interface Summons {
  readonly reason: StartReason;
  /** The rank that wants it, or `coordinator`. */
  readonly by: string;
  /** Steps that the run had finished as far as that one knew. */
  readonly step: number;
  readonly at: string;
}

/** Where time went, and what was sent. Of one worker: sums. Of a run or an epoch: times are means over the workers, the rest sums. */
export interface WorkTotals {
  readonly computeMs: number;
  /** By the GPU's own clock, beside the others, which add up to all time; 0 where there is none, or it does not tell. */
  readonly gpuBusyMs: number;
  /** Waiting for rows that are streamed; 0 where they are in memory. */
  readonly dataMs: number;
  readonly exchangeMs: number;
  /** Waiting for peers. */
  readonly waitMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly requests: number;
  /** What the requests to channel and storage cost at list prices; 0 where they are free. */
  readonly requestsUsd: number;
}

/** What one generation of a worker is billed for, so far; its time is that of all its invocation. */
export interface Usage extends BilledUse {
  /** Start of the process to the call of its handler; 0 where a warm process was called. A part of `billedMs`. */
  readonly initMs: number;
}

/** How long functions of a rank have ended without getting it on. */
export interface Stall {
  /** Steps finished that none of them has got past. */
  readonly step: number;
  /** Functions in a row that ended there. */
  readonly lives: number;
  /** The last of them in a row that had not computed its own part of a step. */
  readonly slow: number;
}

/** `handed-over`: the next generation goes on, from its state if it lies there. `fenced`: another acts for its rank. */
export type WorkerState = "training" | "handed-over" | "ended" | "fenced";

/** Of one generation of a rank. Its last one stays: it tells how it ended, and what it is billed for. */
export interface Heartbeat {
  readonly rank: number;
  readonly attempt: number;
  readonly generation: number;
  /** Counts up: who watches compares objects, never clocks. */
  readonly beat: number;
  readonly state: WorkerState;
  readonly usage: Usage;
  /** What was left of its function's time: whoever sees no other beat for longer than that knows that it has ended. */
  readonly remainingMs: number;
  /** Of the worker's process on its own machine. */
  readonly pid: number;
  readonly step: number;
  /** Whether this function has computed its rank's part of a step: what it still waits for are peers. */
  readonly computed: boolean;
  /** Before this function. */
  readonly stall: Stall;
  readonly epoch: number;
  /** Samples of the whole run in this epoch so far, by the steps of this worker. */
  readonly samples: number;
  /** Mean training loss of this epoch as of the last exchange; null before the epoch's first. */
  readonly loss: number | null;
  /** Process start to the first finished step; absent before. */
  readonly firstStepMs?: number;
  /** What the run has cost so far, as far as rank 0 knows; others do not tell. */
  readonly spentUsd?: number;
  readonly at: string;
}

/** One line of `metrics.jsonl`. Losses and accuracies are means over all samples of all ranks. */
export interface EpochMetrics extends WorkTotals {
  /** 1-based. */
  readonly epoch: number;
  /** Steps finished at the end of the epoch. */
  readonly step: number;
  readonly loss: number;
  /** Training accuracy over the epoch; null where the loss has none (regression). */
  readonly trainAccuracy: number | null;
  /** Both null where the epoch was not validated (evalEvery). */
  readonly validationLoss: number | null;
  readonly accuracy: number | null;
  /** ADMM's, of the epoch's last exchange. */
  readonly primalResidual?: number;
  readonly dualResidual?: number;
  /** Where the loss is scaled: steps of the epoch that changed nothing, for gradients overflowed. */
  readonly skippedSteps?: number;
  /** Of the epoch's last step, as is the next. */
  readonly learningRate: number;
  /** Euclidean norm of the mean gradient, before it is clipped; null where workers exchange no gradients. */
  readonly gradientNorm: number | null;
  readonly samplesPerS: number;
  /** Since the workers were ready to train, validation included; mean over the workers. */
  readonly elapsedMs: number;
}

export type StopReason =
  | "epochs-done"
  | "target-reached"
  | "converged"
  | "no-improvement"
  | "stop-requested"
  | "budget-reached"
  | "deadline-reached";

/** What a worker leaves when it ends in good order. */
export interface WorkerResult {
  readonly rank: number;
  readonly pid: number;
  readonly attempt: number;
  /** `resized`: another crew goes on. */
  readonly reason: StopReason | "resized";
  /** The number of its workers. */
  readonly resizedTo?: number;
  readonly steps: number;
  readonly epochs: number;
  /** Steps and epochs that earlier attempts had finished. */
  readonly resumedFrom: { readonly steps: number; readonly epochs: number };
  readonly endedAt: string;
  /** Life of the process. */
  readonly wallMs: number;
  /** Process start to the first finished step. */
  readonly firstStepMs: number;
  /** Its parts, by stage (src/worker/startup-clock.ts). */
  readonly startupMs: Readonly<Record<string, number>>;
  /** Means of the global batches of the first steps, for comparing runs. */
  readonly firstLosses: readonly number[];
  readonly parametersSha256: string;
  readonly peakMemoryMiB: number;
  /** Activations and scratch of the training step. */
  readonly arenaMiB: number;
  readonly totals: WorkTotals;
  /** That it computed on last; absent where that was the processor. */
  readonly gpu?: NamedGpu;
  /** Whether what it sent last was compressed by zstd; absent if it sent nothing. */
  readonly compresses?: boolean;
}

/** What a worker leaves when it cannot go on. */
export interface WorkerFailure extends ErrorRecord {
  readonly rank: number;
  readonly attempt: number;
  /** Steps that it had finished. */
  readonly step: number;
}

/** `failure.json`: why a run ended early, as the user saw it. */
export interface RunFailure extends ErrorRecord {
  readonly at: string;
}

export type RunStatus = "completed" | "stopped" | "failed";

/** The epoch whose model was the best on the validation split. */
export interface BestEpoch {
  readonly epoch: number;
  readonly validationLoss: number;
  readonly accuracy: number | null;
  readonly modelPath: string;
}

/** One rank of a run, all its generations together. */
export interface RankUse {
  readonly rank: number;
  readonly generations: number;
  /** Generations that took the place of a dead one. */
  readonly restarts: number;
  readonly billedMs: number;
  readonly gbSeconds: number;
  /** Compute and requests. */
  readonly costUsd: number;
}

/** A GPU, and what was made of it. */
export interface GpuUse extends GpuShare {
  /**
   * Share of the time of its workers in which it worked for one of them, by its own clock; null where it does not tell.
   * Above 1 if it took turns among them within their passes.
   */
  readonly busyShare: number | null;
}

/** `summary.json`, and the fields of `train --json`'s last line. */
export interface RunSummary extends WorkTotals {
  readonly runId: string;
  readonly status: RunStatus;
  readonly model: string;
  readonly data: string;
  readonly workers: number;
  readonly device: "wasm" | "webgpu";
  /** None for wasm; missing in records of before there were any. */
  readonly gpus?: readonly GpuUse[];
  readonly epochs: number;
  readonly steps: number;
  /** Of the steps, those that changed nothing, for a scaled loss's gradients overflowed; absent where it was not scaled. */
  readonly skippedSteps?: number;
  /** Mean training loss of the last epoch. */
  readonly loss: number;
  readonly validationLoss: number;
  readonly accuracy: number | null;
  readonly wallMs: number;
  readonly firstStepMs: number;
  /** The largest worker's resident memory. */
  readonly peakMemoryMiB: number;
  /** Activations and scratch of a training step. */
  readonly arenaMiB: number;
  /** Means of the first global batches, for comparing runs step by step. */
  readonly firstLosses: readonly number[];
  readonly parametersSha256: string;
  readonly modelPath: string;
  readonly topologyPath: string;
  /** The most that a rank had: 1 if every worker lived through the run. */
  readonly generations: number;
  /** Workers that took the place of a dead one, of all ranks. */
  readonly restarts: number;
  /** As billed: started milliseconds times memory, initialisation included. */
  readonly gbSeconds: number;
  /** Of all attempts, at list prices. */
  readonly costUsd: RunCost;
  readonly byWorker: readonly RankUse[];
  /** Null before the first epoch's end. */
  readonly best: BestEpoch | null;
  /** With S3 as channel, by the traffic model. */
  readonly lambdaCostUsd: number;
  /** Workers that sent their gradients through zstd in the end: with `zstd: auto` each finds out whether it pays. */
  readonly compressingWorkers: number;
  readonly reason: StopReason;
}
