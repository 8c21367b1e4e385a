// A rank's own state where the checkpoint before it was made by another number of ranks. What a rank that leaves still owes
// the sum goes to one that stays, so that nothing is lost; whoever joins owes nothing, and continues with another's optimiser.
// Which rank's is which depends on the two numbers alone.

import type { NamedArrays } from "../algorithms/algorithm.ts";

/** What a rank still has to add to the sums: of error feedback, and what was late. */
const OWED = /(?:^|[./])(?:residual|residual-0|left-out)$/;
/** Of who merges for whom: what a merged sum lost, and how long frames are. Another number of ranks begins without. */
const OF_THE_PATTERN = /\/(?:residual-[1-9]\d*|peaks)$/;

/** The ranks of `before` whose state this rank takes over; the first one's is the one that it continues. */
export function ancestors(rank: number, worldSize: number, before: number): number[] {
  const leaving = Array.from({ length: before }, (_, r) => r).filter(
    (r) => r >= worldSize && r % worldSize === rank,
  );
  return [rank % before, ...leaving];
}

/** `states` are those of the rank's ancestors, in their order; `expected` has the names and lengths of this rank's. */
export function inherited(
  joins: boolean,
  states: readonly NamedArrays[],
  expected: NamedArrays,
): NamedArrays {
  const [continued, ...leaving] = states;
  return Object.fromEntries(
    Object.entries(expected).map(([name, { length }]) => {
      if (OWED.test(name)) return [name, sumOf(joins ? leaving : states, name, length)];
      const values = continued?.[name];
      const isMissing = OF_THE_PATTERN.test(name) || values === undefined;
      return [name, isMissing ? emptyLike(expected[name]!) : values];
    }),
  );
}

function sumOf(states: readonly NamedArrays[], name: string, length: number): Float32Array {
  const sums = new Float32Array(length);
  for (const state of states) state[name]?.forEach((value, i) => (sums[i]! += value));
  return sums;
}

function emptyLike(array: Float32Array | Int32Array): Float32Array | Int32Array {
  return array instanceof Int32Array ? new Int32Array(array.length) : new Float32Array(array.length);
}
