// What a run tells its user, in order. `train --json` prints these (but for "progress") one per line: docs/json.md.

import type { PacedProgress } from "./pace.ts";
import type { MappingUse } from "./mapping-functions.ts";
import type { GpuShare } from "../plan/gpu-placement.ts";
import type { EpochMetrics, RunSummary } from "../run/records.ts";

export type TrainEvent =
  | {
      readonly event: "run.started";
      readonly runId: string;
      readonly model: string;
      readonly data: string;
      readonly workers: number;
      readonly device: "wasm" | "webgpu";
      /** None for wasm. */
      readonly gpus: readonly GpuShare[];
      readonly epochs: number;
      readonly stepsPerEpoch: number;
      readonly batchSize: number;
      readonly samples: number;
      readonly parameters: number;
      readonly optimizer: string;
      readonly lr: number;
      readonly algorithm: string;
      readonly sync: string;
      /** Null where every step exchanges. */
      readonly syncEvery: number | "epoch" | null;
      readonly reduce: string;
      readonly compress: string;
      readonly checkpointEverySteps: number;
      /** Bytes of frames that lie in the channel at most. */
      readonly maxFrameBytes: number;
      readonly storage: string;
      readonly channel: string;
      readonly provider: string;
      readonly seed: number;
      readonly attempt: number;
      /** Epochs that earlier attempts have finished. */
      readonly epochsBefore: number;
    }
  | { readonly event: "worker.started"; readonly rank: number; readonly requestId: string }
  | {
      /** Another one acts for the rank: its predecessor's time was over, or it died. */
      readonly event: "worker.handed-over" | "worker.restarted";
      readonly rank: number;
      readonly generation: number;
      /** Where the run was. */
      readonly step: number;
      readonly requestId: string;
    }
  /** A new crew goes on from the newest checkpoint. */
  | { readonly event: "run.restarted"; readonly attempt: number }
  /** A new crew of another size goes on where the one before it ended. */
  | { readonly event: "run.resized"; readonly attempt: number; readonly workers: number }
  | {
      readonly event: "progress";
      readonly epoch: number;
      readonly samples: number;
      /** Null while no exchange has told it. */
      readonly loss: number | null;
      /** Of the run so far; null while rank 0 does not know it. */
      readonly spentUsd: number | null;
    }
  | ({ readonly event: "epoch"; readonly lambdaCostUsd: number } & EpochMetrics)
  | {
      readonly event: "worker.ended";
      readonly rank: number;
      readonly peakMemoryMiB: number;
      readonly firstStepMs: number;
    }
  /** Its workers go on by themselves. */
  | { readonly event: "run.detached"; readonly runId: string; readonly watch: string }
  /** A frozen beginning's, or those of `--weights`, ahead of the run; not told where it takes a few seconds. */
  | { readonly event: "weights.made"; readonly bytes: number; readonly of: number }
  /** By the model's frozen beginning, ahead of the run; not told where it takes a few seconds. */
  | { readonly event: "features.computed"; readonly rows: number; readonly of: number }
  /** Of data that storage does not have, once a second, before the run. */
  | ({ readonly event: "data.progress" } & PacedProgress)
  /** Functions have computed them all; they are billed for it beside the run. */
  | ({ readonly event: "features.made"; readonly rows: number; readonly elapsedMs: number } & MappingUse)
  | { readonly event: "warning"; readonly message: string }
  | ({ readonly event: "run.completed" } & RunSummary)
  | ({ readonly event: "run.stopped"; readonly resume: string } & RunSummary);
