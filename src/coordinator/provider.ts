// What the coordinator asks of whoever runs functions. A provider starts them and can see them end; what a function
// does, it learns from its event and from storage.

import type { WorkerEvent } from "../run/records.ts";

export interface FunctionExit {
  /** Process exit code; null if a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Invocation {
  readonly rank: number;
  readonly exited: Promise<FunctionExit>;
  /** Ends the function at once. */
  kill(): void;
  /** The last lines that the function printed. */
  logTail(lines: number): Promise<readonly string[]>;
}

export interface Provider {
  readonly name: string;
  /** Starts one function; resolves once it is started, not when it ends. */
  invoke(event: WorkerEvent): Promise<Invocation>;
}
