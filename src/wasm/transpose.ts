// Transposing 4 x 4 floats in registers.

import type { FunctionBuilder, Local } from "./emitter.ts";
import { shuffle32, type Body, type V128 } from "./instructions.ts";

type Vector = Local<"v128">;
type Four<T> = readonly [T, T, T, T];

export interface Transposition {
  /** Set them before `interleave`. */
  readonly rows: Four<Vector>;
  readonly interleave: Body;
  /** To be used after `interleave`, each at most once. */
  readonly columns: Four<V128>;
}

export function transpose4x4(f: FunctionBuilder): Transposition {
  const rows = f.locals("v128", 4) as unknown as Four<Vector>;
  const pairs = f.locals("v128", 4) as unknown as Four<Vector>;
  return {
    rows,
    interleave: [
      pairs[0].set(shuffle32(rows[0], rows[1], [0, 4, 1, 5])),
      pairs[1].set(shuffle32(rows[2], rows[3], [0, 4, 1, 5])),
      pairs[2].set(shuffle32(rows[0], rows[1], [2, 6, 3, 7])),
      pairs[3].set(shuffle32(rows[2], rows[3], [2, 6, 3, 7])),
    ],
    columns: [
      shuffle32(pairs[0], pairs[1], [0, 1, 4, 5]),
      shuffle32(pairs[0], pairs[1], [2, 3, 6, 7]),
      shuffle32(pairs[2], pairs[3], [0, 1, 4, 5]),
      shuffle32(pairs[2], pairs[3], [2, 3, 6, 7]),
    ],
  };
}
