import assert from "node:assert/strict";
import { test } from "node:test";
import { SltrainError } from "../../src/errors.ts";
import { encodeEvent, MAX_EVENT_BYTES } from "../../src/functions/functions.ts";
import {
  type MapperEvent,
  RUN_SCHEMA_VERSION,
  type StarterEvent,
  type WorkerEvent,
} from "../../src/run/records.ts";
import { parseFunctionEvent } from "../../src/worker/event.ts";

const ofAll = {
  schemaVersion: RUN_SCHEMA_VERSION,
  runId: "r",
  workers: 8,
  storage: "memory:s",
  channel: "memory:c",
} as const;
const worker: WorkerEvent = {
  ...{ ...ofAll, kind: "worker", functions: "local:http://127.0.0.1:1/f" },
  ...{ rank: 3, attempt: 1, generation: 2, reason: "handover" },
};
const starter: StarterEvent = { ...ofAll, kind: "starter", attempt: 0, ranks: [4, 8] };

const mapper: MapperEvent = { ...ofAll, kind: "mapper", attempt: 1, data: "0f", stage: 2, parts: [3, 9] };

test("events of workers, starters and mappers arrive as they were sent", () => {
  for (const event of [worker, starter, mapper]) {
    assert.deepEqual(parseFunctionEvent(JSON.parse(encodeEvent(event))), event);
  }
});

test("a field that is missing or no such thing is named with what was expected", () => {
  const refused = (event: object, field: string) =>
    assert.throws(
      () => parseFunctionEvent(event),
      (error: unknown) =>
        error instanceof SltrainError &&
        error.code === "event-invalid" &&
        error.message.startsWith(`function event: expected ${field} to be `),
    );
  for (const field of [
    "kind",
    "runId",
    "storage",
    "channel",
    "attempt",
    "workers",
    "rank",
    "generation",
    "reason",
  ])
    refused({ ...worker, [field]: undefined }, field);
  refused({ ...worker, generation: -1 }, "generation");
  refused({ ...worker, functions: 7 }, "functions");
  refused({ ...starter, ranks: [0] }, "ranks");
  refused({ ...mapper, parts: [0, -1] }, "parts");
  refused({ ...mapper, kind: "map" }, "kind");
  refused({ ...starter, schemaVersion: 1 }, "schemaVersion");
});

test("an event that no asynchronous invocation takes is refused with its size", () => {
  const code = (error: unknown) => error instanceof SltrainError && error.code === "event-too-large";
  assert.throws(() => encodeEvent({ padding: "x".repeat(MAX_EVENT_BYTES) }), code);
});
