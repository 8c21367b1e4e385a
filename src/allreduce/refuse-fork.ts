// Two workers of one rank may live at the same time: one was believed dead, or was started twice. Nothing keeps them
// apart but that they write the same, so whoever comes second looks whether that is true.

import { SltrainError } from "../errors.ts";
import type { Coded, Contribution } from "./rank-ordered-sum.ts";

/** What a frame says, but for how it is compressed, and for scalars: votes and times depend on when they are taken. */
export type Statement = Pick<Contribution, "contributors" | "weight"> & { readonly values: Coded };

/**
 * Throws SltrainError "frame-forked", which no repetition mends, unless this worker would have written what the frame
 * under `key` says of its `elements` values, bit by bit.
 */
export function refuseFork(key: string, elements: number, mine: Statement, winner: Statement): void {
  const facts: readonly (readonly [what: string, expected: number, got: number])[] = [
    ["contributors", mine.contributors, winner.contributors],
    ["weight", mine.weight, winner.weight],
  ];
  for (const [what, expected, got] of facts)
    if (expected !== got) throw forked(key, `${what} ${expected}`, `${got}`);
  const [own, other] = [decoded(mine.values, elements), decoded(winner.values, elements)];
  const bits = new Int32Array(other.buffer);
  const at = new Int32Array(own.buffer).findIndex((value, i) => value !== bits[i]);
  if (at >= 0) throw forked(key, `value ${at} to be ${own[at]}`, `${other[at]}`);
}

function decoded({ codec, encoded }: Coded, elements: number): Float32Array {
  const values = new Float32Array(elements);
  codec.decode(encoded, values);
  return values;
}

function forked(key: string, expected: string, got: string): SltrainError {
  return new SltrainError({
    code: "frame-forked",
    message: `frame ${key}: expected ${expected}, as this worker computed it, but another worker of its rank wrote ${got}`,
    suggestions: [
      "Two workers of a rank computed different values: run all workers on machines of one kind and one version of sltrain.",
    ],
  });
}
