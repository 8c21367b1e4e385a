// A transformation as data, and what becomes of one partition of the source: a pure function of the partition and of the
// statistics so far, whoever computes it. A stage measures the training rows for a step that needs it; the last one maps
// all rows and writes them.

import { SltrainError } from "../../errors.ts";
import { sha256 } from "../../sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Split } from "../dataset.ts";
import { BlockWriter } from "../import/block-writer.ts";
import { finishRows, type WrittenRows } from "../import/publish.ts";
import { statisticsKey, storedLabels, type DataManifest } from "../manifest.ts";
import type { FeatureStatistics } from "../import/statistics.ts";
import type { RowSlice } from "../order.ts";
import { blockSlices, openPartitions } from "../reader.ts";
import type { RowBlock } from "../rows.ts";
import { fits, openMeasure, type Measure, type Statistics } from "./measure.ts";
import { widthOf, type RowKind, type RowMap, type Step } from "./step.ts";

/** Part of the result's id: raise it when a step changes what it gives, or where a block ends. */
const STEPS_VERSION = 2;

export interface TransformJob {
  readonly storage: Storage;
  /** Of the data set that is made. */
  readonly id: string;
  readonly name: string;
  readonly from: DataManifest;
  readonly steps: readonly Step[];
}

/** A partition of the source. */
export interface Part {
  readonly split: Split;
  readonly index: number;
  readonly rows: RowSlice;
}

export interface PartResult {
  /** Of the last stage. */
  readonly written?: WrittenRows;
  /** As `Measure.encode` gives it; of training rows. */
  readonly measured?: Uint8Array;
}

/** A stage as whoever merges its results knows it. */
export interface StagePlan {
  /** Of the step that it measures for; the number of steps for the last one. */
  readonly index: number;
  /** Validation first, then training, each in order. */
  readonly parts: readonly Part[];
  /** What `PartResult.measured` is to be merged into. */
  openMeasure(): Measure;
}

export interface Stage extends StagePlan {
  /** Safe to repeat, anywhere: what it writes is put if absent, and is the same every time. */
  run(part: Part): Promise<PartResult>;
}

export function specsOf({ steps }: Pick<TransformJob, "steps">): string {
  return steps.map(({ spec }) => spec).join(",");
}

export function transformId({ from, name, steps }: Omit<TransformJob, "id" | "storage">): string {
  const text = JSON.stringify([STEPS_VERSION, from.id, name, specsOf({ steps })]);
  return sha256().update(text).digest("hex");
}

/** Steps that know their rows: all of them, or those before one that has yet to be measured for. */
export interface Prepared {
  readonly maps: readonly RowMap[];
  /** What they make. */
  readonly kind: RowKind;
}

/**
 * As many steps as what has been measured allows.
 * @param measured by the step's index @throws SltrainError "data-transform"
 */
export async function prepare(
  { storage, from, steps }: TransformJob,
  measured: (step: number) => Promise<Statistics | undefined> | Statistics | undefined,
): Promise<Prepared> {
  if (from.task === "next-token") {
    throw new SltrainError({
      code: "data-transform",
      message: `${specsOf({ steps })}: expected rows of features, got tokens of ${from.name}`,
      suggestions: ["Tokens are what a token model learns: they are taken as they are."],
    });
  }
  const maps: RowMap[] = [];
  let kind: RowKind = from;
  for (const [index, step] of steps.entries()) {
    step.check?.(kind);
    const known = index === 0 && step.needs === "moments" ? await momentsOf(storage, from) : undefined;
    const statistics = step.needs === undefined ? {} : (known ?? (await measured(index)));
    if (!statistics) break;
    const map = step.prepare(kind, statistics);
    maps.push(map);
    kind = map.after;
  }
  return { maps, kind };
}

/** What the import has measured, where that is of the same features. */
async function momentsOf(storage: Storage, from: DataManifest): Promise<Statistics | undefined> {
  const bytes = await storage.get({ key: statisticsKey(from.id) });
  if (!bytes) return undefined;
  const moments = JSON.parse(Buffer.from(bytes).toString()) as FeatureStatistics;
  return fits(moments, from) ? { moments } : undefined;
}

/** The stage that comes when these steps are prepared. */
export function stageAfter(job: TransformJob, { maps, kind }: Prepared): Stage {
  const { from, steps } = job;
  const step = steps[maps.length];
  const needs = step?.needs ?? "moments";
  const measured = (part: RowBlock) => {
    const measure = openMeasure(needs, kind);
    measure.add(part.features, part.count);
    return measure.encode();
  };
  return {
    index: maps.length,
    parts: [...(step ? [] : partsOf(from, "validation")), ...partsOf(from, "train")],
    openMeasure: () => openMeasure(needs, kind),
    async run(part) {
      const rows = applied(maps, await load(job, part));
      if (step) return { measured: measured(rows) };
      const written = await writePart(job, part, kind, rows);
      return part.split === "train" ? { written, measured: measured(rows) } : { written };
    },
  };
}

function partsOf(from: DataManifest, split: Split): Part[] {
  return blockSlices(from, split).map((rows, index) => ({ split, index, rows }));
}

async function load({ storage, from }: TransformJob, { split, rows }: Part): Promise<RowBlock> {
  const { count, features, labels } = await openPartitions(storage, from, split, { rows });
  return { count, features, labels: Float64Array.from(labels) };
}

function applied(maps: readonly RowMap[], block: RowBlock): RowBlock {
  const { features, count } = block;
  return { ...block, features: maps.reduce((rows, { map }) => map(rows, count), features) };
}

/** As blocks of its own: what is written of one partition does not depend on the others. */
export async function writePart(
  { storage, id, from }: Pick<TransformJob, "storage" | "id" | "from">,
  { split, index }: Part,
  kind: RowKind,
  rows: RowBlock,
): Promise<WrittenRows> {
  const writer = new BlockWriter({
    ...{ storage, id, split, labels: storedLabels(from), rowElements: widthOf(kind) },
    keyOf: (block) => `data/${id}/${split}-${String(index).padStart(5, "0")}-${block}.part`,
  });
  for (let row = 0; row < rows.count; row++) {
    const full = writer.append(rows, row);
    if (full) await full;
  }
  return finishRows(writer);
}
