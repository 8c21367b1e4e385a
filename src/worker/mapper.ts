// A function that computes parts of a stage, of a transformation (data/transform/job.ts) or of features of frozen layers: loads a partition, maps or measures
// it, leaves the result, goes on with the next. It holds nothing that another one could not compute again: of two that
// compute a part the first result stays, and both are the same.

import { randomUUID } from "node:crypto";
import { readManifest } from "../data/manifest.ts";
import { prepare, stageAfter, type Stage, type TransformJob } from "../data/transform/job.ts";
import type { Statistics } from "../data/transform/measure.ts";
import { parseSteps } from "../data/transform/parse-steps.ts";
import { errorRecord, SltrainError } from "../errors.ts";
import { getJson, putJson } from "../run/json-object.ts";
import { listStage, mappingKeys, type MappingKeys } from "../run/mapping-keys.ts";
import {
  encodeResult,
  type Life,
  type MappingEnd,
  type MappingEndState,
  type MappingFailure,
  type MappingJob,
} from "../run/mapping-records.ts";
import type { MapperEvent } from "../run/records.ts";
import { metered } from "../storage/layers/meter.ts";
import { sideBySide } from "../storage/side-by-side.ts";
import type { Storage } from "../storage/storage.ts";
import { type Invocation, usageWith } from "./invocation.ts";

/** One part is read and written while the other computes. */
const PARTS_AT_ONCE = 2;
/** Of a function's life: kept for what is under way when it ends. */
const LAST_SHARE = 1 / 8;
/** And for parts that take longer than the slowest one so far. */
const SLOWER = 3;

export type MapperEnd = { readonly state: MappingEndState } | ({ readonly state: "failed" } & MappingFailure);

/** Throws what another start may mend. */
export async function runMapper(
  event: MapperEvent,
  invocation: Invocation,
  opened: Storage,
): Promise<MapperEnd> {
  const storage = metered(opened);
  const keys = mappingKeys(event.data);
  const id = randomUUID();
  const life = (): Life => ({
    ...{ id, requestId: invocation.requestId },
    usage: usageWith(invocation, storage),
    peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
  });
  let part = event.parts[0];
  try {
    const stage = await openStage(event, storage, keys);
    const state =
      stage === undefined
        ? "late"
        : await computeParts(stage, { event, invocation, storage, keys, life }, (next) => (part = next));
    if (state !== "late") {
      const end: MappingEnd = { ...life(), state, parts: event.parts };
      await putJson(storage, keys.end(event.stage, id), end);
    }
    return { state };
  } catch (error) {
    if (!(error instanceof SltrainError) || error.retryable) throw error;
    const failure: MappingFailure = { ...errorRecord(error, "mapper-crashed"), ...life(), part };
    console.error(error);
    await putJson(storage, keys.failure(event.stage, id), failure);
    return { state: "failed", ...failure };
  }
}

/** Undefined if the stage is over: what was measured in it is there, or the data set itself. */
async function openStage(
  { data: id, stage: index, parts }: MapperEvent,
  storage: Storage,
  keys: MappingKeys,
): Promise<Stage | undefined> {
  const record = await getJson<MappingJob>(storage, keys.job);
  if (record === undefined) return undefined;
  const from = await readManifest(storage, record.from);
  if (from === undefined) {
    throw new SltrainError({
      code: "data-missing",
      message: `expected data/${record.from}/ in ${storage.uri}, got no manifest there`,
      suggestions: ["Import the data set again."],
    });
  }
  if (record.kind === "features") {
    const { openFeatureStage } = await import("./feature-stage.ts");
    return openFeatureStage({ storage, id, job: record, data: from, firstPart: parts[0] });
  }
  const job: TransformJob = { storage, id, name: record.name, from, steps: parseSteps(record.steps) };
  const measured = (step: number) => getJson<Statistics>(storage, keys.measured(step));
  const stage = stageAfter(job, await prepare(job, measured));
  return stage.index === index ? stage : undefined;
}

interface Share {
  readonly event: MapperEvent;
  readonly invocation: Invocation;
  readonly storage: Storage;
  readonly keys: MappingKeys;
  readonly life: () => Life;
}

async function computeParts(
  stage: Stage,
  { event, invocation, storage, keys, life }: Share,
  onPart: (part: number) => void,
): Promise<"done" | "out-of-time"> {
  const [begin, end] = event.parts;
  const listed = () => listStage(storage.list(keys.stage(stage.index)));
  let { done } = await listed();
  let slowestMs = 0;
  const isOver = () => invocation.lifeLeftMs < Math.max(SLOWER * slowestMs, LAST_SHARE * invocation.lifeMs);
  const left: number[] = [];
  await sideBySide(end - begin, PARTS_AT_ONCE, async (offset) => {
    const part = begin + offset;
    if (done.has(part)) return;
    if (isOver()) {
      left.push(part);
      return;
    }
    onPart(part);
    const beganMs = performance.now();
    const result = await stage.run(stage.parts[part]!);
    const key = keys.result(stage.index, part);
    const outcome = await storage.put(key, encodeResult(result, life()), { ifAbsent: true });
    slowestMs = Math.max(slowestMs, performance.now() - beganMs);
    // Somebody else has the same parts, and may be further.
    if (outcome === "exists") ({ done } = await listed());
  });
  return left.length > 0 ? "out-of-time" : "done";
}
