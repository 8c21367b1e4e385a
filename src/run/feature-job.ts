// What a frozen beginning makes of a data set, as a data set: the job as coordinator and functions know it, cut into parts that
// depend on data and model alone. So the same features come of any number of functions of any memory.

import type { TrainConfig } from "../config/schema.ts";
import { rowElements } from "../data/dataset.ts";
import { largestBlockBytes } from "../data/reader.ts";
import type { DataManifest } from "../data/manifest.ts";
import { openMeasure } from "../data/transform/measure.ts";
import type { Part, Stage } from "../data/transform/job.ts";
import type { RowKind } from "../data/transform/step.ts";
import { buildInferenceProgram, flopsOf } from "../graph/program.ts";
import { buildModel } from "../models/build.ts";
import type { Topology } from "../models/topology.ts";
import { sha256 } from "../sha256.ts";
import { weightsBytes, type StoredWeights } from "./stored-weights.ts";

/** Plain data: a function reads it under `job.json`. */
export interface FeatureJob {
  /** Id of the data set that the features are of. */
  readonly from: string;
  readonly extractor: Topology;
  readonly featureShape: readonly number[];
  /** The extractor's: `hash` is what all their values follow from. */
  readonly weights: { readonly hash: string; readonly stored: StoredWeights };
  /** What it is computed on. */
  readonly config: Pick<
    TrainConfig,
    "workers" | "threads" | "device" | "adapter" | "functionsPerGpu" | "precision"
  >;
}

/** Raise it when features change for equal data and weights, or where a part ends. */
const VERSION = 2;

/** What a batch's activations may take. */
const ARENA_BYTES = 128 * 2 ** 20;
const MAX_BATCH = 256;
/** Of a part: seconds on a vCPU, so that functions share few images, and nobody waits long for one that died. */
const PART_FLOPS = 2e11;
/** What a vCPU does at the least, in large convolutions too small for its caches. */
const LEAST_GFLOPS = 4;
const LEAST_DOWN_MB_PER_S = 50;
const FLOAT_BYTES = 4;
/** Node with the bundle loaded and the kernels compiled. */
const RUNTIME_BYTES = 160 * 2 ** 20;

/** Of the data set of features. */
export function featuresId({ extractor, weights }: FeatureJob, { contentHash }: DataManifest): string {
  const text = JSON.stringify({ VERSION, data: contentHash, extractor, weights: weights.hash });
  return sha256().update(text).digest("hex");
}

export function featureKind({ featureShape }: FeatureJob): RowKind {
  return { featureShape, featureType: "f32" };
}

export interface FeaturePlan {
  /** Samples that are computed together; fewer at a part's end. */
  readonly batchSize: number;
  /** Of a part, at most. */
  readonly partRows: number;
  /** What a function needs, whatever it computes. */
  readonly memoryBytes: number;
  /** From a function's start to its first part, at most, on a vCPU. */
  readonly firstPartMs: number;
}

export function planFeatures(
  { extractor, featureShape, weights }: FeatureJob,
  data: DataManifest,
): FeaturePlan {
  const programOf = (count: number) => {
    const { graph, outputs } = buildModel(extractor, count, { training: false });
    return buildInferenceProgram(graph, { outputs });
  };
  const one = programOf(1);
  const fitting = Math.floor(ARENA_BYTES / Math.max(1, one.plan.arenaElements * FLOAT_BYTES));
  const batchSize = Math.max(1, Math.min(MAX_BATCH, fitting));
  const flops = flopsOf(one.program);
  const batches = Math.max(1, Math.floor(PART_FLOPS / Math.max(1, flops) / batchSize));
  const partRows = Math.min(batches * batchSize, largestBlockRows(data));
  const { program, plan } = programOf(batchSize);
  const vectors = Object.values(program.vectors).reduce((sum, elements) => sum + elements, 0);
  const blockBytes = Math.max(largestBlockBytes(data, "train"), largestBlockBytes(data, "validation"));
  // Stored and decoded, and of two parts: one is loaded while the other computes.
  const rowBytes = 2 * (3 * blockBytes + FLOAT_BYTES * rowElements(featureShape) * partRows);
  const loadMs = weightsBytes(weights.stored) / LEAST_DOWN_MB_PER_S / 1e3;
  return {
    ...{ batchSize, partRows },
    // A smaller batch that came first keeps an arena of its own.
    memoryBytes: RUNTIME_BYTES + (vectors + 2 * plan.arenaElements) * FLOAT_BYTES + rowBytes,
    firstPartMs: loadMs + (flops * partRows) / LEAST_GFLOPS / 1e6,
  };
}

/** All that is to be computed, and what is measured of it: one stage. */
export function featureStage(job: FeatureJob, data: DataManifest): Omit<Stage, "run"> {
  const { partRows } = planFeatures(job, data);
  return {
    index: 0,
    parts: (["validation", "train"] as const).flatMap((split) => partsOf(data, split, partRows)),
    openMeasure: () => openMeasure("moments", featureKind(job)),
  };
}

/** Of whole stored blocks, or of pieces of one. */
function partsOf({ blocks }: DataManifest, split: Part["split"], partRows: number): Part[] {
  const parts: Part[] = [];
  let first = 0;
  for (const { rows } of blocks[split]) {
    for (let begin = first; begin < first + rows; begin += partRows) {
      const end = Math.min(first + rows, begin + partRows);
      parts.push({ split, index: parts.length, rows: { begin, end } });
    }
    first += rows;
  }
  return parts;
}

function largestBlockRows({ blocks }: DataManifest): number {
  return Math.max(...[...blocks.train, ...blocks.validation].map(({ rows }) => rows));
}
