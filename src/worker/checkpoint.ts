// A checkpoint is a folder of safetensors files: what is equal on all ranks, written by rank 0 with the cursor of the
// data, and what each rank has for itself, written by that rank. It counts only once all its files are there. Two are
// kept, for of the newest one a rank's file may still be missing.

import type { AlgorithmState } from "../algorithms/algorithm.ts";
import type { RunKeys } from "../run/keys.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cursor } from "./cursor.ts";
import { ancestors, inherited } from "./inherit-state.ts";
import { encodeState, readState, type StateFile } from "./state-file.ts";

/** Whose checkpoints, and where. */
export interface CheckpointPlace {
  readonly storage: Storage;
  readonly keys: RunKeys;
  readonly rank: number;
  readonly worldSize: number;
}

const KEPT = 2;

/**
 * Writes this rank's part of the checkpoint at the cursor's step. To be called by all ranks at the same steps; whoever
 * finishes a later exchange knows that it is complete.
 */
export async function writeCheckpoint(
  { storage, keys, rank, worldSize }: CheckpointPlace,
  { shared, own }: AlgorithmState,
  cursor: Cursor,
): Promise<void> {
  const hasOwn = Object.keys(own).length > 0;
  if (hasOwn) await storage.put(keys.checkpoint(cursor.step, rank), encodeState(own, cursor));
  if (rank !== 0) return;
  const ranks = hasOwn ? worldSize : 0;
  await storage.put(keys.checkpoint(cursor.step, "shared"), encodeState(shared, cursor, ranks));
  const stored = await listCheckpoints(storage, keys);
  const old = [...stored.keys()].sort((a, b) => b - a).slice(KEPT);
  if (old.length > 0) await storage.delete(old.flatMap((step) => stored.get(step)!));
}

/**
 * The newest complete checkpoint as this rank sees it, with its cursor; undefined if none is of a later step than `after`.
 * Throws "checkpoint-damaged" naming the key, also where an array of `expected` is missing or has another length.
 */
export async function readNewestCheckpoint(
  place: CheckpointPlace,
  expected: AlgorithmState,
  after = -1,
): Promise<(AlgorithmState & { readonly cursor: Cursor }) | undefined> {
  const { storage, keys, rank } = place;
  const stored = await listCheckpoints(storage, keys);
  const later = [...stored.keys()].filter((step) => step > after);
  for (const step of later.sort((a, b) => b - a)) {
    const there = new Set(stored.get(step));
    if (!there.has(keys.checkpoint(step, "shared"))) continue;
    const shared = await readState(storage, keys.checkpoint(step, "shared"), expected.shared);
    // Swept since it was listed: there is a newer one.
    if (shared === undefined) return readNewestCheckpoint(place, expected, after);
    const ranks = Array.from({ length: shared.ranks }, (_, i) => i);
    if (!ranks.every((i) => there.has(keys.checkpoint(step, i)))) continue;
    if (shared.ranks === 0) return { shared: shared.arrays, own: {}, cursor: shared.cursor };
    const isOfThisCrew = shared.ranks === place.worldSize;
    const sources = isOfThisCrew ? [rank] : ancestors(rank, place.worldSize, shared.ranks);
    const states: StateFile[] = [];
    for (const source of sources) {
      const state = await readState(storage, keys.checkpoint(step, source), isOfThisCrew ? expected.own : {});
      if (state === undefined) return readNewestCheckpoint(place, expected, after);
      states.push(state);
    }
    const own = states.map(({ arrays }) => arrays);
    return isOfThisCrew
      ? { shared: shared.arrays, own: own[0]!, cursor: states[0]!.cursor }
      : {
          ...{ shared: shared.arrays, cursor: shared.cursor },
          own: inherited(rank >= shared.ranks, own, expected.own),
        };
  }
  return undefined;
}

/** The newest step of which any rank has begun a checkpoint; -1 if there is none. */
export async function newestCheckpointStep(
  place: Pick<CheckpointPlace, "storage" | "keys">,
): Promise<number> {
  return Math.max(-1, ...(await listCheckpoints(place.storage, place.keys)).keys());
}

/** All files by step. */
async function listCheckpoints(storage: Storage, keys: RunKeys): Promise<Map<number, string[]>> {
  const files = new Map<number, string[]>();
  for await (const key of storage.list(keys.checkpoints)) {
    const step = Number.parseInt(key.slice(keys.checkpoints.length), 10);
    files.set(step, [...(files.get(step) ?? []), key]);
  }
  return files;
}
