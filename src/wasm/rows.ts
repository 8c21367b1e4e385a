// Reductions over the lanes of vectors and over rows of floats, in an order that depends on the row's length alone.

import type { FunctionBuilder, Local } from "./emitter.ts";
import { f32x4, i32x4, shuffle32, v128, type Body, type V128 } from "./instructions.ts";
import { sweep, SWEEP_FLOATS, VECTOR_FLOATS } from "./lanes.ts";

/** `value` in the first `lanes` lanes, `filler` in the rest. */
export function keepLanes(value: V128, lanes: number, filler: V128): V128 {
  if (lanes === VECTOR_FLOATS) return value;
  const mask = i32x4.const([-1, lanes > 1 ? -1 : 0, lanes > 2 ? -1 : 0, 0]);
  return v128.bitselect(value, filler, mask);
}

/** Puts the combination of all lanes into every lane. */
export function acrossLanes(local: Local<"v128">, combine: (a: V128, b: V128) => V128): Body {
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

/**
 * sums[k], in every lane, = the sum of term k over a row of `columns` elements: chains of every fourth vector, the chains
 * added in pairs. `terms` gives those of the vector that lies `offset` bytes behind `pointers`, which end behind the
 * row.
 */
export function rowSums(
  f: FunctionBuilder,
  columns: number,
  pointers: readonly Local<"i32">[],
  sums: readonly Local<"v128">[],
  terms: (offset: number) => { readonly body?: Body; readonly terms: readonly V128[] },
): Body {
  const pass = f.local("i32");
  const chains = sums.map(() => f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS));
  return [
    chains.map((chain) => chain.map((sum) => sum.set(v128.zero))),
    sweep(columns, pass, pointers, (vectors) =>
      vectors.map(({ offset, lanes }, j) => {
        const { body = [], terms: values } = terms(offset);
        return [
          body,
          values.map((value, k) => {
            const sum = chains[k]![j]!;
            return sum.set(f32x4.add(sum, keepLanes(value, lanes, v128.zero)));
          }),
        ];
      }),
    ),
    sums.map((sum, k) => {
      const [a, b, c, d] = chains[k] as readonly [V, V, V, V];
      return [sum.set(f32x4.add(f32x4.add(a, b), f32x4.add(c, d))), sumLanes(sum)];
    }),
  ];
}

type V = Local<"v128">;
