// Which codec encodes what a plan publishes at each level: sums of more ranks have more to keep.

import type { Codec } from "../shard/codec/codec.ts";
import type { ReducePlan } from "./pattern.ts";

/** By level; the last is that of the means. */
export function levelCodecs(codec: Codec, plan: ReducePlan): readonly Codec[] {
  const { levels, worldSize } = plan;
  let contributors = 1;
  return Array.from({ length: levels + 1 }, (_, level) => {
    if (level === 0 || codec.ofSum === undefined) return codec;
    contributors = level === levels ? worldSize : Math.min(worldSize, contributors * widest(plan, level));
    return codec.ofSum(contributors);
  });
}

/** The most writers of a merge of `level`. */
function widest(plan: ReducePlan, level: number): number {
  let most = 1;
  for (let rank = 0; rank < plan.worldSize; rank++)
    most = Math.max(most, plan.merge(level, rank)?.writers.length ?? 0);
  return most;
}
