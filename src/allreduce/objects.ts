// Which objects a rank puts in a round of one bucket: what the sweeper deletes, and what the traffic model counts.

import type { ReducePlan } from "./pattern.ts";

/** The place of an object among those of a rank, bucket and step; see `ObjectAddress`. */
export interface ObjectPlace {
  readonly level: number;
  readonly piece?: number;
}

/** Sums, the ranks' own and merged ones. */
export function partObjects(plan: ReducePlan, rank: number, packed: boolean): ObjectPlace[] {
  return Array.from({ length: plan.levels }, (_, level) => {
    const pieces = plan.published(level, rank);
    if (!packed) return pieces.map((_, piece) => ({ level, piece }));
    return pieces.length === 0 ? [] : [{ level }];
  }).flat();
}

/** The mean that the rank owns, and those that it passes on. */
export function meanObjects(plan: ReducePlan, rank: number): ObjectPlace[] {
  if (plan.worldSize === 1) return [];
  const { levels, means } = plan;
  const own = means.findIndex(({ owner }) => owner === rank);
  return [
    ...(own >= 0 ? [{ level: levels, piece: own }] : []),
    ...(plan.relayed(rank).length > 0 ? [{ level: levels + 1 }] : []),
  ];
}
