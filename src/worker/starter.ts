// A function that starts workers, or further starters for parts of them (run/start-workers.ts).

import { SltrainError } from "../errors.ts";
import type { Functions } from "../functions/functions.ts";
import type { StarterEvent } from "../run/records.ts";
import { startByStarters } from "../run/start-workers.ts";
import type { Storage } from "../storage/storage.ts";

/** Throws what `Functions.invoke` throws, after all have been tried: what runs functions then repeats this one. */
export async function runStarter(
  event: StarterEvent,
  storage: Storage,
  functions: Functions | undefined,
): Promise<void> {
  if (functions === undefined) {
    throw new SltrainError({
      code: "event-invalid",
      message: "function event: expected functions that a starter can start others with, got none",
    });
  }
  await startByStarters({ storage, functions, event, by: "starter" });
}
