// What a worker is given, and how it ends.

import type { Functions } from "../functions/functions.ts";
import type { NumberedAttempt } from "../run/attempts.ts";
import type { RunManifest, WorkerEvent, WorkerResult } from "../run/records.ts";
import type { Metered } from "../storage/layers/meter.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cursor } from "./cursor.ts";
import type { Invocation } from "./invocation.ts";

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
  /** `generation` is the one that it acted as. */
  | { readonly state: "handed-over"; readonly generation: number }
  | { readonly state: "fenced" };
