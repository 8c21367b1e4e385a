// A run from wherever it is to its end: followed, finished, told. What `train` does once the crew is started, and what
// `runs watch` does from any machine.

import type { TrainEvent } from "./events.ts";
import { putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { RunSummary } from "../run/records.ts";
import { resumeCommand } from "../run/resume-command.ts";
import { openStorage } from "../storage/open.ts";
import { finishRun } from "./finish-run.ts";
import { followRun, type FollowOptions } from "./follow-run.ts";

export interface AttendOptions extends Omit<FollowOptions, "progress"> {
  /** Aborted: the workers are asked to stop at a step's end. */
  readonly stop?: AbortSignal;
}

/** Undefined if the run was left before its end. Throws what the run failed with. */
export async function attendRun(options: AttendOptions): Promise<RunSummary | undefined> {
  const { storage, crew, stop, onEvent } = options;
  const { runId } = crew.manifest;
  const requestStop = () => {
    void putJson(storage, runKeys(runId).stop, { at: new Date().toISOString() }).catch((error: unknown) => {
      onEvent({ event: "warning", message: `could not ask the workers to stop: ${String(error)}` });
    });
  };
  stop?.addEventListener("abort", requestStop, { once: true });
  if (stop?.aborted) requestStop();
  const { progress: uri } = crew.manifest.config;
  const progress = uri === undefined ? storage : await openStorage(uri);
  try {
    const ended = await followRun({ ...options, progress });
    const summary = ended && (await finishRun(storage, ended));
    if (summary) onEvent(finalEvent(summary, storage.uri));
    return summary;
  } finally {
    stop?.removeEventListener("abort", requestStop);
    if (progress !== storage) await progress.close();
  }
}

export function finalEvent(summary: RunSummary, storageUri: string): TrainEvent {
  return summary.status === "completed"
    ? { event: "run.completed", ...summary }
    : { event: "run.stopped", ...summary, resume: resumeCommand(summary.runId, storageUri) };
}
