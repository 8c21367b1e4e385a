// Reductions over the lanes of vectors and over rows of floats, in an order that depends on the row's length alone.

import type { Local } from "./emitter.ts";
import { f32x4, i32x4, shuffle32, v128, type Body, type V128 } from "./instructions.ts";
import { VECTOR_FLOATS } from "./lanes.ts";

/** `value` in the first `lanes` lanes, `filler` in the rest. */
export function keepLanes(value: V128, lanes: number, filler: V128): V128 {
  if (lanes === VECTOR_FLOATS) return value;
  const mask = i32x4.const([-1, lanes > 1 ? -1 : 0, lanes > 2 ? -1 : 0, 0]);
  return v128.bitselect(value, filler, mask);
}

/** Puts the combination of all lanes into every lane. */
function acrossLanes(local: Local<"v128">, combine: (a: V128, b: V128) => V128): Body {
  return [
    local.set(combine(local, shuffle32(local, local, [2, 3, 0, 1]))),
    local.set(combine(local, shuffle32(local, local, [1, 0, 3, 2]))),
  ];
}

export function sumLanes(local: Local<"v128">): Body {
  return acrossLanes(local, f32x4.add);
}

export function maximumOfLanes(local: Local<"v128">): Body {
  return acrossLanes(local, f32x4.pmax);
}
