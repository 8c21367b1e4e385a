// What runs inside a function: Lambda calls `handler(event, context)`. All it knows is in the event and in the storage that the
// event names; all it leaves is in that storage.

import { errorRecord } from "../errors.ts";
import { putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { WorkerEvent, WorkerFailure, WorkerResult } from "../run/records.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { startCursor } from "./checkpoint.ts";
import { eventInvalid, parseFunctionEvent } from "./event.ts";
import { type FunctionContext, Invocation } from "./invocation.ts";
import { runWorker } from "./run-worker.ts";

/** Trains until all ranks decide to stop; the result is also left in storage, and so is a failure before it is thrown. */
export async function handler(rawEvent: unknown, context: FunctionContext): Promise<WorkerResult> {
  const invocation = new Invocation(context);
  const event = parseFunctionEvent(rawEvent);
  if (event.kind !== "worker") throw eventInvalid("kind", "worker", event.kind);
  const storage = await openStorage(event.storage);
  const cursor = startCursor();
  try {
    return await runWorker(event, invocation, storage, cursor);
  } catch (error) {
    await leaveFailure(storage, event, cursor.step, error);
    throw error;
  } finally {
    await storage.close();
  }
}

async function leaveFailure(
  storage: Storage,
  event: WorkerEvent,
  step: number,
  error: unknown,
): Promise<void> {
  const { rank, attempt } = event;
  const failure: WorkerFailure = { rank, attempt, step, ...errorRecord(error, "worker-crashed") };
  const key = runKeys(event.runId).workerFailure(attempt, rank);
  await putJson(storage, key, failure).catch((putError: unknown) => {
    // The storage may be what failed; the log still has it all.
    console.error(`could not leave the failure in storage: ${String(putError)}`);
  });
}
