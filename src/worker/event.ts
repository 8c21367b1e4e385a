// The event that starts a worker, checked by hand: a function should not pay for a schema library at its cold start.

import { SltrainError } from "../errors.ts";
import { RUN_SCHEMA_VERSION, type WorkerEvent } from "../run/records.ts";

const FIELDS = {
  schemaVersion: "number",
  runId: "string",
  storage: "string",
  channel: "string",
  rank: "number",
  attempt: "number",
} as const satisfies Record<keyof WorkerEvent, "string" | "number">;

/** Throws "event-invalid" naming the field, what was expected and what came. */
export function parseWorkerEvent(event: unknown): WorkerEvent {
  const fields = (typeof event === "object" && event !== null ? event : {}) as Record<string, unknown>;
  for (const [name, type] of Object.entries(FIELDS)) {
    if (typeof fields[name] !== type) {
      throw invalid(`expected ${name} to be a ${type}, got ${JSON.stringify(fields[name])}`);
    }
  }
  if (fields.schemaVersion !== RUN_SCHEMA_VERSION) {
    throw invalid(`expected schemaVersion ${RUN_SCHEMA_VERSION}, got ${String(fields.schemaVersion)}`);
  }
  return fields as unknown as WorkerEvent;
}

function invalid(what: string): SltrainError {
  return new SltrainError({
    code: "event-invalid",
    message: `worker event: ${what}`,
    suggestions: ["Start workers with the sltrain version that wrote the run."],
  });
}
