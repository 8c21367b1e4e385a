// A stored data set through steps of preprocessing into another one: partition by partition, in the order in which they
// are stored, so that rows keep their split and their order. A step that needs statistics of what earlier steps make has
// the training partitions pass once more (map, then reduce by merging moments); memory holds one partition.

import { assert, SltrainError } from "../../errors.ts";
import { sha256 } from "../../sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Split } from "../dataset.ts";
import type { BlockWriter } from "../import/block-writer.ts";
import { writeDataset } from "../import/import-rows.ts";
import { Moments, type FeatureStatistics } from "../import/statistics.ts";
import { readManifest, statisticsKey, type DataManifest } from "../manifest.ts";
import { openPartitions } from "../reader.ts";
import type { FeatureRows, LabelMeaning, RowBlock, RowFacts } from "../rows.ts";
import { widthOf, type RowKind, type RowMap, type Step } from "./step.ts";

/** Part of the result's id: raise it when a step changes what it gives. */
const STEPS_VERSION = 1;

export interface TransformOptions {
  readonly storage: Storage;
  readonly from: DataManifest;
  readonly name: string;
  readonly steps: readonly Step[];
  readonly onRows?: ((rows: number) => void) | undefined;
}

/** Safe to repeat: what is there is not made again. @throws SltrainError "data-transform", and what storage throws */
export async function transformDataset({
  storage,
  from,
  name,
  steps,
  onRows,
}: TransformOptions): Promise<DataManifest> {
  const specs = steps.map(({ spec }) => spec).join(",");
  if (from.task === "next-token") {
    throw new SltrainError({
      code: "data-transform",
      message: `${specs}: expected rows of features, got tokens of ${from.name}`,
      suggestions: ["Tokens are what a token model learns: they are taken as they are."],
    });
  }
  const id = sha256()
    .update(JSON.stringify([STEPS_VERSION, from.id, name, specs]))
    .digest("hex");
  const stored = await readManifest(storage, id);
  if (stored) return stored;
  const maps = await prepared(storage, from, steps);
  const { featureShape, featureType, featureNames } = maps.at(-1)!.after;
  const { skippedRecords } = from;
  const facts: RowFacts = {
    ...{ featureShape, featureType, labels: labelMeaning(from), skippedRecords },
    ...(featureNames && { featureNames }),
  };
  const job = {
    ...{ storage, id, name, source: `${from.source} by ${specs}` },
    // The steps have done what a model would have had done.
    transform: { scale: [1], offset: [0] },
  };
  let rows = 0;
  const write = async (split: Split, writer: BlockWriter): Promise<void> => {
    for await (const block of blocksOf(storage, from, split)) {
      const mapped = { ...block, features: applied(maps, block) };
      for (let row = 0; row < block.count; row++) {
        const full = writer.append(mapped, row);
        if (full) await full;
      }
      onRows?.((rows += block.count));
    }
  };
  return writeDataset(job, facts, undefined, async (writers) => {
    await write("validation", writers.validation);
    await write("train", writers.train);
  });
}

/** Each step with the statistics of what those before it make of the training rows. */
async function prepared(storage: Storage, from: DataManifest, steps: readonly Step[]): Promise<RowMap[]> {
  const maps: RowMap[] = [];
  let kind: RowKind = from;
  for (const step of steps) {
    const statistics = step.needsStatistics ? await statisticsOf(storage, from, maps, kind) : undefined;
    const map = step.prepare(kind, statistics);
    maps.push(map);
    kind = map.after;
  }
  return maps;
}

async function statisticsOf(
  storage: Storage,
  from: DataManifest,
  maps: readonly RowMap[],
  kind: RowKind,
): Promise<FeatureStatistics> {
  const known = maps.length === 0 ? await storage.get({ key: statisticsKey(from.id) }) : undefined;
  if (known) return JSON.parse(Buffer.from(known).toString()) as FeatureStatistics;
  const moments = new Moments(widthOf(kind), kind.featureShape.length === 1);
  for await (const block of blocksOf(storage, from, "train")) moments.add(applied(maps, block), block.count);
  return moments.finish();
}

/** The map of one partition: a pure function, whoever calls it. */
export function applied(maps: readonly RowMap[], { features, count }: RowBlock): FeatureRows {
  return maps.reduce((rows, step) => step.map(rows, count), features);
}

async function* blocksOf(storage: Storage, from: DataManifest, split: Split): AsyncGenerator<RowBlock> {
  let begin = 0;
  for (const { rows: count } of from.blocks[split]) {
    const rows = { begin, end: begin + count };
    const { features, labels } = await openPartitions(storage, from, split, { rows });
    yield { count, features, labels: Float64Array.from(labels) };
    begin += count;
  }
}

/** Stored labels are class indices or targets already. */
function labelMeaning({ task, classes, classNames }: DataManifest): LabelMeaning {
  assert(task !== "next-token", "labels of tokens");
  if (task === "regression") return { kind: "targets" };
  const values = Array.from({ length: classes }, (_, index) => index);
  return { kind: "classes", values, ...(classNames && { names: classNames }) };
}
