// A function that starts workers, or further starters for parts of them (run/start-workers.ts).

import { randomUUID } from "node:crypto";
import { SltrainError } from "../errors.ts";
import type { Functions } from "../functions/functions.ts";
import { putJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { StarterEvent } from "../run/records.ts";
import { startByStarters } from "../run/start-workers.ts";
import { metered } from "../storage/layers/meter.ts";
import type { Storage } from "../storage/storage.ts";
import { type Invocation, usageWith } from "./invocation.ts";

/**
 * Leaves what it is billed for, however it ends. Throws what `Functions.invoke` throws, after all have been tried: what
 * runs functions then repeats this one.
 */
export async function runStarter(
  event: StarterEvent,
  invocation: Invocation,
  opened: Storage,
  functions: Functions | undefined,
): Promise<void> {
  if (functions === undefined) {
    throw new SltrainError({
      code: "event-invalid",
      message: "function event: expected functions that a starter can start others with, got none",
    });
  }
  const storage = metered(opened);
  try {
    await startByStarters({ storage, functions, event, by: "starter" });
  } finally {
    const key = runKeys(event.runId).starter(event.attempt, randomUUID());
    await putJson(storage, key, usageWith(invocation, storage));
  }
}
