// The pattern of parameter servers: they merge all pieces, and no rank merges anything. Servers come after the ranks:
// `worldSize` is the first of them.

import { splitEvenly } from "../../shard/blocks.ts";
import { longestOf, type MeanPiece, type ReducePattern } from "../pattern.ts";
import { allReduce } from "./scatter-reduce.ts";

/**
 * A server begins to add when a frame is whole, and sends a mean when it is: smaller frames let sending, adding and
 * receiving run side by side, larger ones cost fewer requests.
 */
const PIECE_ELEMENTS = 1 << 18;

/** Each bucket over all of `servers` if it is long enough. One rank has nothing to ask them. */
export function served(servers: number): ReducePattern {
  return {
    name: "ps",
    plan(bucket, worldSize, bucketIndex) {
      if (worldSize === 1) return allReduce.plan(bucket, worldSize, bucketIndex);
      const perServer = Math.max(1, Math.ceil((bucket.end - bucket.begin) / PIECE_ELEMENTS / servers));
      const means: MeanPiece[] = splitEvenly(bucket, perServer * servers).map((range, i) => ({
        ...range,
        // Turned by the bucket's number: short buckets of one piece each load all servers.
        owner: worldSize + ((bucketIndex + i) % servers),
      }));
      const published = means.map(({ begin, end, owner }) => ({ begin, end, reader: owner }));
      return {
        worldSize,
        levels: 1,
        means,
        published: () => published,
        longest: () => longestOf(means),
        merge: () => undefined,
        relayed: () => [],
        source: (piece) => ({ rank: means[piece]!.owner, relayed: false }),
      };
    },
  };
}
