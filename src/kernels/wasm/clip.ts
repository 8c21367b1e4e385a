// Stretches cut off at a border.

import type { Local } from "./emitter.ts";
import { i32, type Body, type I32 } from "./instructions.ts";

/**
 * Cuts the stretch of `length` cells from `begin` (signed) to what lies in [0, limit): sets its first cell and its
 * count, 0 if nothing is left.
 */
export function clip(
  begin: I32,
  length: number,
  limit: number,
  first: Local<"i32">,
  count: Local<"i32">,
): Body {
  const smaller = (a: I32, b: I32): I32 => i32.select(i32.ltS(a, b), a, b);
  return [
    count.set(i32.add(begin, length)),
    count.set(smaller(count, limit)),
    first.set(begin),
    first.set(i32.select(i32.ltS(first, 0), 0, first)),
    count.set(i32.sub(count, first)),
    count.set(i32.select(i32.ltS(count, 0), 0, count)),
  ];
}
