// A collective of some pattern as the contract suite takes it.

import { collectiveLanes, openCollective } from "../../src/allreduce/open-collective.ts";
import { parseReduce } from "../../src/allreduce/patterns/index.ts";
import type { Codec } from "../../src/shard/codec/codec.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import type { CollectiveImplementation } from "../contract/world.ts";

/** The patterns that the suite runs over. */
export const reduceSpecs = ["scatter-reduce", "scatter-reduce:1", "tree", "hierarchical"];

export function implementation(
  spec: string,
  { packed = false, codec = f32 }: { packed?: boolean; codec?: Codec } = {},
): CollectiveImplementation {
  const how = { reduce: parseReduce(spec), codec, packed };
  return {
    name: packed ? `${spec} in packed objects` : spec,
    open: (options) => openCollective({ ...options, ...how, seed: 1, zstd: "auto" }),
    lanes: (grid) => collectiveLanes({ ...grid, ...how }, undefined),
  };
}
