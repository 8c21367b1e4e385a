// Philox4x32-10 (see random.ts) for four counters side by side, one in each lane.

import { increase, repeat, type FunctionBuilder, type Local } from "./emitter.ts";
import { i32x4, i64x2, shuffle32, v128, type Body, type I32, type V128 } from "./instructions.ts";
import { transpose4x4, type Transposition } from "./transpose.ts";

type Words = Transposition["rows"];

export interface PhiloxBlocks {
  /** The words of the counters; set them before `generate`. */
  readonly counters: Words;
  readonly generate: Body;
  /** To be used after `generate`, each at most once: the blocks of the four lanes, in order. */
  readonly blocks: Transposition["columns"];
}

/** Blocks under the key (key0, key1). */
export function philoxBlocks(f: FunctionBuilder, key0: I32, key1: I32): PhiloxBlocks {
  const transposition = transpose4x4(f);
  const counters = transposition.rows;
  const { round, k0, k1 } = f.named("i32", ["round", "k0", "k1"]);
  const { multiplier0, multiplier1 } = f.named("v128", ["multiplier0", "multiplier1"]);
  const { low0, high0, low1, high1 } = f.named("v128", ["low0", "high0", "low1", "high1"]);
  const [c0, c1, c2, c3] = counters;

  /** low, high = the halves of the four products. */
  const product = (low: V, high: V, a: V, b: V128): Body => [
    low.set(i64x2.extmulLowI32x4U(a, b)),
    high.set(i64x2.extmulHighI32x4U(a, b)),
    a.set(shuffle32(low, high, [0, 2, 4, 6])),
    high.set(shuffle32(low, high, [1, 3, 5, 7])),
    low.set(a),
  ];
  return {
    counters,
    generate: [
      multiplier0.set(i32x4.splat(0xd2511f53)),
      multiplier1.set(i32x4.splat(0xcd9e8d57)),
      k0.set(key0),
      k1.set(key1),
      repeat(round, 10, [
        product(low0, high0, c0, multiplier0),
        product(low1, high1, c2, multiplier1),
        c0.set(v128.xor(v128.xor(high1, c1), i32x4.splat(k0))),
        c1.set(low1),
        c2.set(v128.xor(v128.xor(high0, c3), i32x4.splat(k1))),
        c3.set(low0),
        increase(k0, 0x9e3779b9),
        increase(k1, 0xbb67ae85),
      ]),
      transposition.interleave,
    ],
    blocks: transposition.columns,
  };
}

type V = Local<"v128">;
