// What a collective's `state` is made of, and taken over from. It lies in shared memory: the thread that checkpoints need
// not be the one that exchanges.

import { SltrainError } from "../errors.ts";
import type { CollectiveState } from "./collective.ts";

type StateArray = CollectiveState[string];

/** Zeros. */
export function sharedFloats(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

/** Copies the arrays of `saved` into those of the same names in `own`. Throws SltrainError "state-mismatch". */
export function restoreState(own: CollectiveState, saved: CollectiveState): void {
  for (const [name, array] of Object.entries(own)) {
    const before = saved[name];
    if (before?.constructor !== array.constructor || before.length !== array.length)
      throw stateMismatch(name, array, before);
    array.set(before);
  }
}

function stateMismatch(name: string, expected: StateArray, got: StateArray | undefined): SltrainError {
  const described = (array: StateArray | undefined): string =>
    array === undefined ? "none" : `${array.length} values of ${array.constructor.name}`;
  return new SltrainError({
    code: "state-mismatch",
    message: `collective state ${name}: expected ${described(expected)}, but got ${described(got)}`,
    suggestions: [
      "Resume with the --reduce, --compress, --channel and number of workers that the run began with.",
    ],
  });
}
