// What the coordinator asks of whoever runs functions: a place to invoke them at, and what they printed. Whether a
// function lives, and what it does, is in storage: there the coordinator looks, and so do the workers.

import type { RunManifest } from "../run/records.ts";

export interface ProvidedRun {
  readonly runId: string;
  /** URIs as the functions will be given them. */
  readonly storage: string;
  readonly channel: string;
  readonly workers: number;
  readonly memoryMiB: number;
  readonly timeoutS: number;
}

export interface LogQuery {
  readonly since: Date;
  /** Only lines of these invocations; default: of all. */
  readonly requestIds?: readonly string[];
  /** Goes on with what is printed from now on, until aborted; default: ends with what is there. */
  readonly follow?: AbortSignal;
}

export interface LogLine {
  /** ISO 8601. */
  readonly at: string;
  /** Of the invocation that printed it; a lease (run/records.ts) tells whose that was. Absent before the first. */
  readonly requestId?: string;
  readonly text: string;
}

export interface Provider {
  readonly name: string;
  /**
   * Makes ready what can run this run's functions. The URI is what `openFunctions` takes, and lies in every event: with
   * it workers start each other. To be called again by whoever finds a run whose functions cannot be reached any more.
   */
  open(run: ProvidedRun): Promise<{ readonly functions: string }>;
  /** Lines in the order of time, as far as the provider knows it. */
  logs(query: LogQuery): AsyncIterable<LogLine>;
  /** Ends what `open` started on this machine, and the functions in it. Not called by whoever leaves a run to itself. */
  close(): Promise<void>;
}

export function providedRun({ config, runId }: RunManifest, storage: string, channel: string): ProvidedRun {
  const { workers, memoryMiB, timeoutS } = config;
  return { ...{ runId, storage, channel, workers, memoryMiB, timeoutS } };
}
