// What runs inside a function: Lambda calls `handler(event, context)`. All it knows is in the event and in the storage that
// the event names; all it leaves is in that storage.

import { errorRecord, SltrainError } from "../errors.ts";
import { openFunctions } from "../functions/open-functions.ts";
import { whenUsed } from "../functions/when-used.ts";
import { ofCrew } from "../run/attempts.ts";
import { getJson, putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import { ownerLine } from "../run/log-line.ts";
import { withProgressCopy } from "../run/progress-copy.ts";
import type { RunManifest, WorkerEvent, WorkerFailure } from "../run/records.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { startCursor } from "./cursor.ts";
import { parseFunctionEvent } from "./event.ts";
import { type FunctionContext, Invocation } from "./invocation.ts";
import { runWorker } from "./run-worker.ts";
import type { WorkerEnd, WorkerOptions } from "./worker-options.ts";
import type { MapperEnd } from "./mapper.ts";
import { runStarter } from "./starter.ts";

/** `failed`: in a way that no other start would mend, so the run ends with it. */
export type FunctionEnd =
  | WorkerEnd
  | ({ readonly state: "failed" } & WorkerFailure)
  /** A starter's. */
  | { readonly state: "started" }
  | MapperEnd;

export type Handler = (rawEvent: unknown, context: FunctionContext) => Promise<FunctionEnd>;

/** `open` by the URI in the event. */
export function handlerWith(open: typeof openFunctions): Handler {
  return async (rawEvent, context) => {
    const invocation = new Invocation(context);
    const event = parseFunctionEvent(rawEvent);
    console.log(ownerLine(event));
    const storage = await openStorage(event.storage);
    const { functions: uri } = event;
    const functions = uri === undefined ? undefined : whenUsed(() => open(uri, process.env));
    try {
      if (event.kind === "starter") {
        await runStarter(event, invocation, storage, functions);
        return { state: "started" };
      }
      if (event.kind === "mapper") {
        // Whoever trains does not load it.
        const { runMapper } = await import("./mapper.ts");
        return await runMapper(event, invocation, storage);
      }
      const run = await readManifest(storage, event);
      const { progress } = run.config;
      const copy = event.rank === 0 && progress !== undefined ? await openStorage(progress) : undefined;
      const told = copy ? withProgressCopy(storage, copy, runKeys(event.runId)) : storage;
      try {
        return await trainCrews(run, { event, invocation, storage: told, functions }, context);
      } finally {
        await copy?.close();
      }
    } finally {
      await functions?.close();
      await storage.close();
    }
  };
}

/** Trains, until all ranks decide to stop or this one hands over. Throws what another start of the rank may mend. */
export const handler = handlerWith(openFunctions);

async function readManifest(storage: Storage, { runId, storage: uri }: WorkerEvent): Promise<RunManifest> {
  const key = runKeys(runId).manifest;
  const manifest = await getJson<RunManifest>(storage, key);
  if (manifest) return manifest;
  throw new SltrainError({
    code: "run-missing",
    message: `expected a run manifest under ${key} in ${uri}, got none`,
    suggestions: ["Start the run with `sltrain train`; give the workers the same --storage."],
  });
}

/** As a rank of one crew after another, each of another size, as long as it has the rank. */
async function trainCrews(
  run: RunManifest,
  worker: Omit<WorkerOptions, "manifest" | "cursor">,
  context: FunctionContext,
): Promise<FunctionEnd> {
  const { event } = worker;
  const end = await trainOrFail({ ...worker, manifest: ofCrew(run, event.workers), cursor: startCursor() });
  const next = end.state === "ended" ? end.next : undefined;
  if (next === undefined || event.rank >= next.record.workers) return end;
  const { attempt, record } = next;
  const again: WorkerEvent = { ...event, attempt, workers: record.workers, generation: 0, reason: "start" };
  console.log(ownerLine(again));
  // It is billed for each crew by itself.
  return trainCrews(run, { ...worker, event: again, invocation: new Invocation(context) }, context);
}

async function trainOrFail(options: WorkerOptions): Promise<FunctionEnd> {
  try {
    return await runWorker(options);
  } catch (error) {
    const mayPass = !(error instanceof SltrainError) || error.retryable;
    // It is thrown for whoever starts this function again, or another in its place.
    if (mayPass && options.functions !== undefined) throw error;
    return { state: "failed", ...(await leaveFailure(options, error)) };
  }
}

async function leaveFailure(
  { event, storage, cursor }: WorkerOptions,
  error: unknown,
): Promise<WorkerFailure> {
  const { runId, rank, attempt } = event;
  const failure: WorkerFailure = {
    ...{ rank, attempt, step: cursor.step },
    ...errorRecord(error, "worker-crashed"),
  };
  console.error(error);
  // The peer has left its own words.
  if (failure.code === "peer-failed") return failure;
  try {
    await putJson(storage, runKeys(runId).workerFailure(attempt, rank), failure);
    return failure;
  } catch (putError) {
    // The storage may be what failed; the log has it all.
    console.error(`could not leave the failure in storage: ${String(putError)}`);
    throw error;
  }
}
