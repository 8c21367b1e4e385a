// What a run's functions were billed for and how often they were started, from the last heartbeat of each
// worker and what each starter left.

import { gbSecondsOf, runCost, type RunCost } from "../plan/run-cost.ts";
import { getJson } from "../run/json-object.ts";
import { runKeys } from "../run/keys.ts";
import type { Heartbeat, Lease, RankUse, Usage } from "../run/records.ts";
import { sideBySide } from "../storage/side-by-side.ts";
import type { Storage } from "../storage/storage.ts";

/** Requests of one call under way at a time. */
const SIDE_BY_SIDE = 16;

export interface RunUse {
  readonly byRank: readonly RankUse[];
  readonly generations: number;
  /** In place of the dead, and of the slow where a copy took over. */
  readonly restarts: number;
  readonly gbSeconds: number;
  /** Without what lies in the store. */
  readonly cost: RunCost;
}

export async function readRunUse(storage: Storage, runId: string): Promise<RunUse> {
  const keys = runKeys(runId);
  const heartbeats = await readAll<Heartbeat>(storage, keys.heartbeats);
  const starters = await readAll<Usage>(storage, keys.starters);
  const leases = await readAll<Lease>(storage, keys.leases);
  const restarted = new Set(
    [...leases]
      .filter(([, { reason }]) => reason === "rescue" || reason === "speculation")
      .map(([key]) => key),
  );
  const byRank = new Map<number, RankUse>();
  for (const { rank, attempt, generation, usage } of heartbeats.values()) {
    const before = byRank.get(rank) ?? { rank, ...NOTHING_USED };
    byRank.set(rank, {
      rank,
      generations: before.generations + 1,
      restarts: before.restarts + Number(restarted.has(keys.lease(attempt, rank, generation))),
      billedMs: before.billedMs + Math.ceil(usage.billedMs),
      gbSeconds: before.gbSeconds + gbSecondsOf(usage),
      costUsd: before.costUsd + runCost([usage], []).total,
    });
  }
  const ranks = [...byRank.values()].sort((a, b) => a.rank - b.rank);
  const uses = [...[...heartbeats.values()].map(({ usage }) => usage), ...starters.values()];
  return {
    byRank: ranks,
    generations: Math.max(0, ...ranks.map(({ generations }) => generations)),
    restarts: ranks.reduce((total, { restarts }) => total + restarts, 0),
    gbSeconds: uses.reduce((total, use) => total + gbSecondsOf(use), 0),
    cost: runCost(uses, []),
  };
}

const NOTHING_USED = { generations: 0, restarts: 0, billedMs: 0, gbSeconds: 0, costUsd: 0 };

async function readAll<T>(storage: Storage, folder: string): Promise<Map<string, T>> {
  const keys = await Array.fromAsync(storage.list(folder));
  const found = new Map<string, T>();
  await sideBySide(keys.length, SIDE_BY_SIDE, async (i) => {
    const object = await getJson<T>(storage, keys[i]!);
    if (object) found.set(keys[i]!, object);
  });
  return found;
}
