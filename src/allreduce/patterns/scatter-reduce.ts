// ScatterReduce: each rank merges one piece of the bucket (Jiang et al., LambdaML, SIGMOD 2021, section 3.2.3), or
// only the first so many ranks do: on a store with a price per request, w ranks with s owners read w * s ranges and as
// many means, so there the number of owners is planned. AllReduce is the case of one owner (LambdaML's leader).

import { splitEvenly } from "../../shard/blocks.ts";
import type { ElementRange } from "../../shard/layout.ts";
import { longestOf, type MeanPiece, type ReducePattern } from "../pattern.ts";
import { cheapestOwners } from "./cheapest-owners.ts";
import { reduceInvalid } from "./reduce-invalid.ts";

/** `owners` of a round; by default every rank is one, or where requests have a price, as many as cost least. */
export function scatterReduce(owners?: number): ReducePattern {
  if (owners !== undefined) return named(`scatter-reduce:${owners}`, () => owners);
  const name = "scatter-reduce";
  return {
    ...named(name, (_, worldSize) => worldSize),
    priced: (prices) =>
      named(name, ({ begin, end }, worldSize) =>
        cheapestOwners({ worldSize, sizeBytes: (end - begin) * Float32Array.BYTES_PER_ELEMENT, prices }),
      ),
  };
}

/** Rank 0 merges everything. */
export const allReduce: ReducePattern = named("all-reduce", () => 1);

function named(name: string, ownersOf: (bucket: ElementRange, worldSize: number) => number): ReducePattern {
  return {
    name,
    plan(bucket, worldSize, bucketIndex) {
      const count = ownersOf(bucket, worldSize);
      if (count > worldSize) throw reduceInvalid(name, `at most ${worldSize} owners, for as many workers`);
      const means: MeanPiece[] = splitEvenly(bucket, count).map((range, i) => ({
        ...range,
        // Turned by the bucket's number: many buckets that are too short for all owners still load them evenly.
        owner: (bucketIndex + i) % count,
      }));
      /** The piece that a rank owns; not below means.length if it owns none. */
      const pieceOf = (rank: number): number =>
        rank < count ? (rank - (bucketIndex % count) + count) % count : means.length;
      return {
        worldSize,
        levels: 1,
        means,
        published: (_level, rank) =>
          means
            .filter(({ owner }) => owner !== rank)
            .map(({ begin, end, owner }) => ({ begin, end, reader: owner })),
        longest: () => longestOf(means),
        merge(_level, rank) {
          const own = pieceOf(rank);
          const piece = means[own];
          if (piece === undefined) return undefined;
          const writers = Array.from({ length: worldSize }, (_, writer) => ({
            rank: writer,
            // What a writer owns itself is missing among its pieces.
            piece: writer === rank ? -1 : own - (pieceOf(writer) < own ? 1 : 0),
          }));
          return { begin: piece.begin, end: piece.end, writers };
        },
        relayed: () => [],
        source: (piece) => ({ rank: means[piece]!.owner, relayed: false }),
      };
    },
  };
}
