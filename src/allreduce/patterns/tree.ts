// Multi-layer merging: Feng et al., "Exploring serverless computing for neural network training", IEEE CLOUD 2018,
// section III. Layers from the root to the workers, such as [1, 5, 22, 100]. Neighbours merge: a merger is the first
// rank of its group, so its own partial sum needs no transport, and sums add up in rank order. Who merges is computed
// (the paper triggers a merge by counting in the store), so there is one merger, whatever is repeated.

import { longestOf, type ReducePattern } from "../pattern.ts";
import { exactLayers } from "./merge-layers.ts";
import { reduceInvalid } from "./reduce-invalid.ts";

/** Layers of mergers between root and workers that a planned tree may have; the paper's k. */
const PLANNED_LAYERS = 2;

/** Without `layers`, those of least latency for the number of ranks. */
export function tree(layers?: readonly number[]): ReducePattern {
  const name = layers === undefined ? "tree" : `tree:${layers.join(",")}`;
  return {
    name,
    plan(bucket, worldSize) {
      // sizes[l]: how many merge at level l; at level 0 all ranks.
      const sizes = [...(layers ?? exactLayers(worldSize, PLANNED_LAYERS))].reverse();
      if (sizes[0] !== worldSize) throw reduceInvalid(name, `layers that end with ${worldSize} workers`);
      const levels = sizes.length - 1;
      const firstChild = (level: number, index: number): number =>
        Math.floor((index * sizes[level - 1]!) / sizes[level]!);
      const parent = (level: number, index: number): number =>
        Math.floor(((index + 1) * sizes[level + 1]! - 1) / sizes[level]!);
      const rankOf = (level: number, index: number): number =>
        level === 0 ? index : rankOf(level - 1, firstChild(level, index));
      /** The place of `rank` among those that merge at `level`. */
      const indexOf = (level: number, rank: number): number | undefined => {
        if (level === 0) return rank;
        const below = indexOf(level - 1, rank);
        if (below === undefined) return undefined;
        const index = parent(level - 1, below);
        return firstChild(level, index) === below ? index : undefined;
      };
      return {
        worldSize,
        levels,
        means: [{ ...bucket, owner: 0 }],
        published(level, rank) {
          const index = indexOf(level, rank);
          if (index === undefined) return [];
          const reader = rankOf(level + 1, parent(level, index));
          return reader === rank ? [] : [{ ...bucket, reader }];
        },
        longest: () => longestOf([bucket]),
        merge(level, rank) {
          const index = indexOf(level, rank);
          if (index === undefined) return undefined;
          const begin = firstChild(level, index);
          const writers = Array.from({ length: firstChild(level, index + 1) - begin }, (_, i) => ({
            rank: rankOf(level - 1, begin + i),
            piece: i === 0 ? -1 : 0,
          }));
          return { ...bucket, writers };
        },
        relayed: () => [],
        source: () => ({ rank: 0, relayed: false }),
      };
    },
  };
}
