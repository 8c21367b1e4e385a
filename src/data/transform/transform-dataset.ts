// A stored data set through steps of preprocessing into another one: stage after stage, partition by partition, so that
// rows keep their split and their order, and memory holds one partition. Who computes the partitions' results, this process
// or functions, changes no bit of them.

import { assert } from "../../errors.ts";
import { sha256 } from "../../sha256.ts";
import type { Split } from "../dataset.ts";
import { publish, type WrittenRows } from "../import/publish.ts";
import { readManifest, storedLabels, type DataManifest } from "../manifest.ts";
import {
  prepare,
  specsOf,
  stageAfter,
  type Part,
  type PartResult,
  type Stage,
  type TransformJob,
} from "./job.ts";
import type { Statistics } from "./measure.ts";

/** Results of all parts of a stage, in their order. `measured`: what earlier stages have, by step. */
export type RunStage = (
  stage: Stage,
  measured: ReadonlyMap<number, Statistics>,
) => AsyncIterable<readonly [Part, PartResult]>;

/** In this process, one part after the other. */
export const runHere: RunStage = async function* (stage) {
  for (const part of stage.parts) yield [part, await stage.run(part)];
};

/** Safe to repeat: what is there is not made again. @throws SltrainError "data-transform", and what storage throws */
export async function transformDataset(job: TransformJob, runStage: RunStage): Promise<DataManifest> {
  const stored = await readManifest(job.storage, job.id);
  if (stored) return stored;
  const measured = new Map<number, Statistics>();
  for (;;) {
    const prepared = await prepare(job, (step) => measured.get(step));
    const stage = stageAfter(job, prepared);
    const measure = stage.openMeasure();
    const written: Record<Split, WrittenRows[]> = { train: [], validation: [] };
    for await (const [part, result] of runStage(stage, measured)) {
      if (result.measured) measure.merge(result.measured);
      if (result.written) written[part.split].push(result.written);
    }
    const statistics = measure.finish();
    if (stage.index < job.steps.length) {
      measured.set(stage.index, statistics);
      continue;
    }
    const { storage, id, name, from } = job;
    const { featureShape, featureType, featureNames } = prepared.kind;
    assert(statistics.moments !== undefined, "the last stage measures moments");
    return publish({
      ...{ storage, id, name, source: `${from.source} by ${specsOf(job)}` },
      facts: {
        ...{ featureShape, featureType, labels: storedLabels(from), skippedRecords: from.skippedRecords },
        ...(featureNames && { featureNames }),
      },
      // The steps have done what a model would have had done.
      transform: { scale: [1], offset: [0] },
      splits: { train: joined(written.train), validation: joined(written.validation) },
      statistics: statistics.moments,
    });
  }
}

/** Parts of a split, in their order. */
export function joined(parts: readonly WrittenRows[]): WrittenRows {
  const classes = parts[0]?.classCounts.length ?? 0;
  return {
    blocks: parts.flatMap(({ blocks }) => blocks),
    count: parts.reduce((sum, { count }) => sum + count, 0),
    classCounts: Array.from({ length: classes }, (_, c) =>
      parts.reduce((sum, { classCounts }) => sum + classCounts[c]!, 0),
    ),
    maxRowNonZeros: parts.reduce((most, part) => Math.max(most, part.maxRowNonZeros), 0),
    hash: sha256()
      .update(JSON.stringify(parts.map(({ hash }) => hash)))
      .digest("hex"),
  };
}
