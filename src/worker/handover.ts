// A worker's state, handed to the next generation of its rank: one file with what all ranks share and what is its own, so
// that the next one needs nobody else's. It may be newer than any checkpoint, and it is gone when one is newer.

import type { AlgorithmState, NamedArrays, TrainedReplica } from "../algorithms/algorithm.ts";
import { parseCompression } from "../allreduce/compression.ts";
import { newestIn, type RankPlace } from "../run/observe-rank.ts";
import { type CheckpointPlace, readNewestCheckpoint } from "./checkpoint.ts";
import type { RunManifest } from "../run/records.ts";
import type { Cursor } from "./cursor.ts";
import { encodeState, readState } from "./state-file.ts";

export interface RestoredState extends AlgorithmState {
  readonly cursor: Cursor;
  /** The generation that left it; absent of a checkpoint. */
  readonly handedOverBy?: number;
}

/** Before the names of what is the rank's own. */
const OWN = "own.";
const SHARED = "shared.";

/**
 * Whether a rank's state inside a step is that of the step's begin until the update, so that it can be handed over while
 * the step waits for peers: nothing is kept of what was sent, and forward and backward change nothing.
 */
export function isWholeInStep(
  { config, frames }: RunManifest,
  { statistics }: Pick<TrainedReplica, "statistics">,
): boolean {
  const { codec, powerSgdTerms } = parseCompression(config.compress);
  const keepsNothing = !codec.biased && powerSgdTerms === undefined && config.quorum === 1;
  const isLockstep = config.algorithm === "ga-sgd" && frames.staleness === null;
  return isLockstep && keepsNothing && statistics.length === 0;
}

export async function writeHandover(
  { storage, keys, attempt, rank }: RankPlace,
  generation: number,
  { shared, own }: AlgorithmState,
  cursor: Cursor,
): Promise<void> {
  const arrays = { ...prefixed(shared, SHARED), ...prefixed(own, OWN) };
  await storage.put(keys.handover(attempt, rank, generation), encodeState(arrays, cursor), {
    ifAbsent: true,
  });
}

/** The newest state that a worker of the rank can go on from, of an earlier generation or of all ranks; undefined if there is none. */
export async function readNewestState(
  of: RankPlace & CheckpointPlace,
  expected: AlgorithmState,
): Promise<RestoredState | undefined> {
  const handover = await readHandover(of, expected);
  return (await readNewestCheckpoint(of, expected, handover?.cursor.step)) ?? handover;
}

async function readHandover(
  of: RankPlace,
  { shared, own }: AlgorithmState,
): Promise<RestoredState | undefined> {
  const handedOverBy = await newestIn(of.storage, of.keys.handoversOf(of.attempt, of.rank));
  if (handedOverBy < 0) return undefined;
  const key = of.keys.handover(of.attempt, of.rank, handedOverBy);
  const found = await readState(of.storage, key, { ...prefixed(shared, SHARED), ...prefixed(own, OWN) });
  return (
    found && {
      ...{ shared: under(found.arrays, SHARED), own: under(found.arrays, OWN) },
      ...{ cursor: found.cursor, handedOverBy },
    }
  );
}

function prefixed(arrays: NamedArrays, prefix: string): NamedArrays {
  return Object.fromEntries(Object.entries(arrays).map(([name, values]) => [prefix + name, values]));
}

function under(arrays: NamedArrays, prefix: string): NamedArrays {
  const named = Object.entries(arrays).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(named.map(([name, values]) => [name.slice(prefix.length), values]));
}
