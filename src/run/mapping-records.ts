// What coordinator and functions tell each other of a mapping, through storage.

import type { PartResult } from "../data/transform/job.ts";
import type { WrittenRows } from "../data/import/publish.ts";
import type { ErrorRecord } from "../errors.ts";
import type { FeatureJob } from "./feature-job.ts";
import type { MapperEvent, Usage } from "./records.ts";

/** `job.json`: what names the data set that is made. */
export type MappingJob = TransformSpec | FeatureSpec;

export interface TransformSpec {
  readonly kind: "transform";
  /** Id of the source. */
  readonly from: string;
  readonly name: string;
  /** As `--steps` takes them. */
  readonly steps: string;
}

export interface FeatureSpec extends FeatureJob {
  readonly kind: "features";
}

/** One call of a function, from its event to its end. */
export interface Life {
  /** Of this call and no other; the platform's own repetitions have another. */
  readonly id: string;
  readonly requestId: string;
  readonly usage: Usage;
  /** Of its process, until then. */
  readonly peakMemoryMiB: number;
}

export type MappingEndState =
  /** All of its parts have results. */
  | "done"
  /** Before its time-out: another one is to go on. */
  | "out-of-time"
  /** The stage is over. */
  | "late";

export interface MappingEnd extends Life {
  /** That it was given. */
  readonly parts: MapperEvent["parts"];
  readonly state: MappingEndState;
}

/** What no other start would mend. */
export interface MappingFailure extends ErrorRecord, Life {
  /** Number of the part. */
  readonly part: number;
}

interface ResultHead {
  readonly written?: WrittenRows;
  /** Who computed it, and what that one was billed for until then: one that is killed says nothing else. */
  readonly life: Life;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NEW_LINE = 0x0a;

/** A line of JSON, and behind it what was measured. */
export function encodeResult({ written, measured }: PartResult, life: Life): readonly Uint8Array[] {
  const head: ResultHead = { ...(written && { written }), life };
  return [encoder.encode(`${JSON.stringify(head)}\n`), ...(measured ? [measured] : [])];
}

export interface DecodedResult {
  readonly result: PartResult;
  readonly life: Life;
}

export function decodeResult(bytes: Uint8Array): DecodedResult {
  const end = bytes.indexOf(NEW_LINE);
  const { written, life } = JSON.parse(decoder.decode(bytes.subarray(0, end))) as ResultHead;
  const measured = bytes.subarray(end + 1);
  return { result: { ...(written && { written }), ...(measured.length > 0 && { measured }) }, life };
}
