// The events that start functions, checked by hand: a function should not pay for a schema library at its cold start.

import { SltrainError } from "../errors.ts";
import {
  type FunctionEvent,
  type MapperEvent,
  RUN_SCHEMA_VERSION,
  type StarterEvent,
  type StartReason,
  type WorkerEvent,
} from "../run/records.ts";

interface Check {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

type Checks<E> = Readonly<Record<keyof E, Check>>;

const reasons: readonly unknown[] = ["start", "handover", "rescue", "speculation"] satisfies StartReason[];

const isWhole = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;
const aText: Check = { expected: "a string", holds: (value) => typeof value === "string" };
const aWhole: Check = { expected: "a whole number from 0", holds: isWhole };
const twoWholes: Check = {
  expected: "two whole numbers from 0",
  holds: (value) => Array.isArray(value) && value.length === 2 && value.every(isWhole),
};
const kinds: readonly unknown[] = ["worker", "starter", "mapper"] satisfies FunctionEvent["kind"][];

const ofAll = {
  schemaVersion: { expected: String(RUN_SCHEMA_VERSION), holds: (value) => value === RUN_SCHEMA_VERSION },
  kind: { expected: "worker, starter or mapper", holds: (value) => kinds.includes(value) },
  runId: aText,
  storage: aText,
  channel: aText,
  functions: { expected: "a string or nothing", holds: (value) => value === undefined || aText.holds(value) },
  attempt: aWhole,
  workers: aWhole,
  framesOf: {
    expected: "a whole number from 0 or nothing",
    holds: (value) => value === undefined || isWhole(value),
  },
} satisfies Record<string, Check>;

const checks: {
  readonly worker: Checks<Required<WorkerEvent>>;
  readonly starter: Checks<Required<StarterEvent>>;
  readonly mapper: Checks<Required<MapperEvent>>;
} = {
  worker: {
    ...ofAll,
    rank: aWhole,
    generation: aWhole,
    reason: { expected: "start, handover, rescue or speculation", holds: (value) => reasons.includes(value) },
  },
  starter: { ...ofAll, ranks: twoWholes },
  mapper: { ...ofAll, data: aText, stage: aWhole, parts: twoWholes },
};

/** Throws "event-invalid" naming the field, what was expected and what came. */
export function parseFunctionEvent(event: unknown): FunctionEvent {
  const fields = (typeof event === "object" && event !== null ? event : {}) as Record<string, unknown>;
  const kind = fields.kind === "starter" || fields.kind === "mapper" ? fields.kind : "worker";
  const wanted: Readonly<Record<string, Check>> = checks[kind];
  for (const [name, { expected, holds }] of Object.entries(wanted)) {
    if (!holds(fields[name])) throw eventInvalid(name, expected, fields[name]);
  }
  return fields as unknown as FunctionEvent;
}

export function eventInvalid(name: string, expected: string, got: unknown): SltrainError {
  return new SltrainError({
    code: "event-invalid",
    message: `function event: expected ${name} to be ${expected}, got ${JSON.stringify(got)}`,
    suggestions: ["Start functions with the sltrain version that wrote the run."],
  });
}
