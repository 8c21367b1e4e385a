// What a training thread and its I/O thread say to each other. Rounds and calls are numbered; each is answered once.

import type { ElementRange } from "../../shard/layout.ts";
import type { CollectiveJob } from "../collective-job.ts";
import type {
  CollectiveState,
  CollectiveStats,
  EarlierRound,
  OwnPiece,
  RoundOptions,
  RoundResult,
} from "../collective.ts";
import type { Lateness } from "../frame-coder.ts";
import type { PostedError } from "./posted-error.ts";

export type PlainRoundOptions = Omit<RoundOptions, "signal">;

/** What is not answered by itself: `finish` says what became of it. */
export type Notice =
  | { readonly kind: "begin"; readonly id: number; readonly options: PlainRoundOptions }
  /** `sums` and `words` view shared memory. */
  | {
      readonly kind: "push";
      readonly id: number;
      readonly bucket: number;
      readonly sums: Float32Array;
      readonly words: Float32Array | undefined;
    }
  | { readonly kind: "abort"; readonly id: number }
  | { readonly kind: "inherit"; readonly id: number; readonly rounds: readonly EarlierRound[] };

export type Call =
  | { readonly kind: "open"; readonly id: number; readonly job: CollectiveJob }
  /** Of the round with this number; `mean` views shared memory. */
  | {
      readonly kind: "finish";
      readonly id: number;
      readonly scalars: Float64Array;
      readonly mean: Float32Array;
    }
  /** `mean` views shared memory. */
  | {
      readonly kind: "replay";
      readonly id: number;
      readonly options: PlainRoundOptions;
      readonly mean: Float32Array;
    }
  | { readonly kind: "replayScalars"; readonly id: number; readonly options: PlainRoundOptions }
  | {
      readonly kind: "reduceScalars";
      readonly id: number;
      readonly options: PlainRoundOptions;
      readonly scalars: Float64Array;
    }
  | {
      readonly kind: "sweep";
      readonly id: number;
      readonly currentStep: number;
      readonly durableStep: number;
    }
  | { readonly kind: "close"; readonly id: number };

/** What of a collective never changes; the arrays of its state lie in shared memory. */
export interface Opened {
  readonly buckets: readonly ElementRange[];
  /** Their residuals too. */
  readonly ownPieces: readonly OwnPiece[];
  readonly state: CollectiveState;
}

/** Of `open`; of rounds; of those that were not replayed, and of the others. */
export type Value = Opened | RoundResult | undefined;

export type Outcome =
  | { readonly value: Value }
  | { readonly error: PostedError }
  /** By the caller's signal, who knows the reason. */
  | { readonly aborted: true };

/** Ranks that are late, to whoever opened the collective. */
export interface Late {
  readonly late: readonly number[];
  readonly lateness: Lateness;
}

export interface Answer {
  readonly id: number;
  readonly outcome: Outcome;
  /** After the call; undefined if nothing is open. */
  readonly stats: CollectiveStats | undefined;
}
