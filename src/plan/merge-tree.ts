// How many functions merge the gradients of n workers, and in how many layers: Feng et al., "Exploring serverless
// computing for neural network training", IEEE CLOUD 2018, section III-C. Beside the paper's rounded closed form
// stands the exact integer optimum. Pure functions of their arguments; all latencies are in t_m, the time in which
// one function merges one gradient (it takes its inputs one after the other, functions of a layer run side by side).

import { closedFormLayers, exactLayers, mergeLatencyTm } from "../allreduce/patterns/merge-layers.ts";
import { SltrainError } from "../errors.ts";

/** Beyond this, the plan is no plan: a tree this wide is limited by the account's concurrency, not by merging. */
const MAX_WORKERS = 1_000_000;

/** The integer optimum is always shown for these depths, so that plans of different runs compare. */
const EXACT_DEPTHS: readonly number[] = [2, 3];

export interface MergeTree {
  /** Functions per layer, bottom-up as in the paper: the root (1) first, the workers last. */
  readonly layers: readonly number[];
  /** Sum over layers of ceil(fan-in), in t_m. */
  readonly latencyTm: number;
  /** latencyTm times t_m, when t_m is known. */
  readonly latencyMs?: number;
}

export interface ExactMergeTree extends MergeTree {
  /** Layers of mergers allowed between the root and the workers. */
  readonly maxLayers: number;
}

export interface MergeTreePlan extends MergeTree {
  readonly workers: number;
  readonly exact: readonly ExactMergeTree[];
  readonly flat: MergeTree;
}

export interface MergeTreeOptions {
  readonly workers: number;
  /** Layers of mergers allowed between the root and the workers; the paper's k. Default 2. */
  readonly maxLayers?: number;
  /** Measured time to merge one gradient, in milliseconds; adds latencyMs to every tree. */
  readonly tmMs?: number;
}

/**
 * The paper's tree, the exact optima and the flat tree for one number of workers.
 * Throws SltrainError "plan-bad-number" for arguments that are out of range.
 */
export function planMergeTree({ workers, maxLayers = 2, tmMs }: MergeTreeOptions): MergeTreePlan {
  const wholeWorkers = Number.isInteger(workers) && workers >= 1 && workers <= MAX_WORKERS;
  if (!wholeWorkers) throw badNumber("workers", `a whole number from 1 to ${MAX_WORKERS}`, workers);
  if (!Number.isInteger(maxLayers) || maxLayers < 0)
    throw badNumber("max-layers", "a whole number from 0", maxLayers);
  if (tmMs !== undefined && !(tmMs > 0 && tmMs < Infinity))
    throw badNumber("tm-ms", "a number above 0", tmMs);

  const tree = (layers: readonly number[]): MergeTree => {
    const latencyTm = mergeLatencyTm(layers);
    return tmMs === undefined ? { layers, latencyTm } : { layers, latencyTm, latencyMs: latencyTm * tmMs };
  };
  const depths = [...new Set([...EXACT_DEPTHS, maxLayers])].sort((a, b) => a - b);
  return {
    workers,
    ...tree(closedFormLayers(workers, maxLayers)),
    exact: depths.map((depth) => ({ maxLayers: depth, ...tree(exactLayers(workers, depth)) })),
    flat: tree([1, workers]),
  };
}

function badNumber(name: string, expected: string, got: number): SltrainError {
  return new SltrainError({
    code: "plan-bad-number",
    message: `plan-tree: expected ${name} to be ${expected}, got ${got}`,
  });
}
