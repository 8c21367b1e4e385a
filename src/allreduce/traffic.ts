// The traffic model of ScatterReduce: what one round asks of a store. A test holds the meter to it.

import type { Bucket } from "../shard/layout.ts";

/** Of all ranks together, in one round. */
export interface Traffic {
  readonly puts: number;
  /** Without polls that come too early: how many there are depends on timing. */
  readonly gets: number;
  /** f32 values sent; without headers, and before zstd makes them smaller. */
  readonly elementsUp: number;
  readonly elementsDown: number;
}

/** Every chunk: a sum from each rank but its owner, who reads them, and one mean, which each of the others reads. */
export function traffic(worldSize: number, buckets: readonly Bucket[]): Traffic {
  const peers = worldSize - 1;
  const means = Math.min(peers, 1);
  const chunks = buckets.reduce((total, bucket) => total + bucket.chunks.length, 0);
  const elements = buckets.reduce((total, { begin, end }) => total + end - begin, 0);
  return {
    puts: chunks * (peers + means),
    gets: chunks * 2 * peers,
    elementsUp: elements * (peers + means),
    elementsDown: elements * 2 * peers,
  };
}
