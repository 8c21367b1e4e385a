// The residuals of error feedback on one rank: of its own sums over the whole vector, and of what it merges at each
// level over what that is. Levels without a biased codec have none.

import type { Codec } from "../shard/codec/codec.ts";
import type { ElementRange } from "../shard/layout.ts";
import { sharedFloats } from "./collective-state.ts";
import type { ReducePlan } from "./pattern.ts";

export class Residuals {
  /** By level: all buckets' ranges, one after the other. */
  readonly levels: readonly Float32Array[];
  /** By level and bucket: the range, and where in the level's array it begins. */
  readonly #places: readonly (readonly (ElementRange & { readonly at: number })[])[];

  /** `codecs` by bucket and level. */
  constructor(
    plans: readonly ReducePlan[],
    codecs: readonly (readonly Codec[])[],
    buckets: readonly ElementRange[],
    rank: number,
  ) {
    const levels = Math.max(...plans.map((plan) => plan.levels));
    const lengths: number[] = [];
    this.#places = Array.from({ length: levels + 1 }, (_, level) => {
      let at = 0;
      const places = plans.map((plan, bucket) => {
        const encoded = level === 0 ? buckets[bucket] : plan.merge(level, rank);
        const keeps = encoded !== undefined && codecs[bucket]![level]?.biased === true;
        const { begin, end } = keeps ? encoded : { begin: 0, end: 0 };
        const place = { begin, end, at };
        at += end - begin;
        return place;
      });
      lengths.push(at);
      return places;
    });
    this.levels = lengths.map(sharedFloats);
  }

  /** Of `length` values from element `begin`, which this rank encodes at `level`. */
  of(level: number, bucket: number, begin: number, length: number): Float32Array {
    const place = this.#places[level]![bucket]!;
    const at = place.at + begin - place.begin;
    return this.levels[level]!.subarray(at, at + length);
  }
}
