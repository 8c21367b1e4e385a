// A run that somebody else has started, from any machine that reaches its storage.

import { SltrainError } from "../errors.ts";
import { newestAttempt } from "../run/attempts.ts";
import { putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { RunManifest, RunSummary } from "../run/records.ts";
import { readRun } from "../run/registry.ts";
import { resumeCommand } from "../run/resume-command.ts";
import { openStorage } from "../storage/open.ts";
import { credentialsToEnvironment } from "../storage/uri.ts";
import { attendRun, finalEvent } from "./attend-run.ts";
import { providedRun } from "./provider.ts";
import type { TrainEvent } from "./events.ts";
import type { Provider } from "./provider.ts";
import { refusalsOf, RunFunctions } from "./run-functions.ts";
import { startedEvent } from "./train.ts";

export interface AttachOptions {
  readonly storageUri: string;
  readonly runId: string;
  readonly createProvider: (manifest: RunManifest, storageUri: string) => Provider;
  readonly onEvent: (event: TrainEvent) => void;
  /** Aborted: the run is left to itself. */
  readonly leave: AbortSignal;
  /** Asks the workers to stop, and starts none again. */
  readonly stops: boolean;
}

/**
 * The run's summary, told from its first epoch on; undefined if it was left before its end. Throws "run-unknown",
 * "run-unstarted", "run-dead" where nobody is alive to be stopped, and what the run failed with.
 */
export async function attachRun(options: AttachOptions): Promise<RunSummary | undefined> {
  const { runId, createProvider, onEvent, leave, stops } = options;
  // It is sent to functions.
  const storageUri = credentialsToEnvironment(options.storageUri, process.env);
  const storage = await openStorage(storageUri);
  try {
    const { manifest, summary, failure } = await readRun(storage, runId);
    const newest = await newestAttempt(storage, runId);
    const attempt = newest?.attempt ?? 0;
    const workers = newest?.record.workers ?? manifest.config.workers;
    onEvent(startedEvent({ manifest, attempt, workers, gpus: manifest.machine.gpus ?? [] }, 0, storage.uri));
    if (summary) {
      onEvent(finalEvent(summary, storage.uri));
      return summary;
    }
    if (failure) throw new SltrainError(failure);
    if (!newest) throw unstarted(runId, storage.uri);
    if (stops) await putJson(storage, runKeys(runId).stop, { at: new Date().toISOString() });
    const crew = { manifest, ...newest };
    const { config } = manifest;
    const channel = config.channel === config.storage ? storageUri : config.channel;
    const provider = createProvider(manifest, storage.uri);
    const run = providedRun(manifest, storageUri, channel);
    const functions = new RunFunctions(provider, run, refusalsOf(config, onEvent));
    let ended = false;
    try {
      const watched = await attendRun({
        ...{ storage, crew, provider, functions, onEvent, leave },
        ...{ revives: !stops, epochsBefore: 0 },
      });
      ended = watched !== undefined;
      return watched;
    } finally {
      await functions.close();
      if (ended) await provider.close();
    }
  } finally {
    await storage.close();
  }
}

function unstarted(runId: string, storageUri: string): SltrainError {
  return new SltrainError({
    code: "run-unstarted",
    message: `expected a run whose workers were started, got ${runId}, which has only been prepared`,
    suggestions: [`\`${resumeCommand(runId, storageUri)}\` starts them.`],
  });
}
