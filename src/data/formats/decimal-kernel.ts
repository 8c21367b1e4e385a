// Decimal numbers in WebAssembly: what a kernel that parses text reads them with. It takes the numbers that two roundings
// of doubles are sure of and ends the kernel's function at any other, which is then `DecimalReader`'s; of what both take,
// they give equal bits. Sixteen digits at a time, by pairs, as Lemire, Number Parsing at a Gigabyte per Second (2021).

import { type FunctionBuilder, increase, leave, type Local, when, whileLoop } from "../../wasm/emitter.ts";
import {
  type Body,
  type Expr,
  f64,
  i16x8,
  i32,
  type I32,
  i32x4,
  i64,
  i8x16,
  v128,
  type V128,
} from "../../wasm/instructions.ts";

const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const LOWER_E = 0x65;
const VECTOR_BYTES = 16;

/** Powers of ten that a double holds exactly, and those that an i64 holds. */
const MAX_POWER = 22;
const MAX_I64_POWER = 18;
/** Digits that are read without a look at their sum. */
const MAX_DIGITS = 18;
/** Below it a mantissa has room for one digit more. */
const MAX_MANTISSA = 9n * 10n ** 17n;
/** Below it a double holds every whole number. */
const MAX_EXACT = 2n ** 53n;
const MIN_NORMAL_F32 = 2 ** -126;
/** A double that rounds to one f32 or the next has these as its last 29 bits: 1 and then zeros. */
const F32_MIDPOINT = 2 ** 28;
const LAST_29_BITS = 2 ** 29 - 1;
/** In units of the double's last place; two roundings are off by less than 2. */
const MIDPOINT_MARGIN = 64;

/** What `emitNumber` reads its powers of ten from, and how many bytes they take. */
export const POWER_BYTES = 8 * (MAX_POWER + 1 + MAX_I64_POWER + 1);

/** Writes the powers of ten to the beginning of `memory`. */
export function writePowers(memory: ArrayBuffer): void {
  new Float64Array(memory, 0, MAX_POWER + 1).set(
    Array.from({ length: MAX_POWER + 1 }, (_, power) => Number(`1e${power}`)),
  );
  new BigInt64Array(memory, 8 * (MAX_POWER + 1), MAX_I64_POWER + 1).set(
    Array.from({ length: MAX_I64_POWER + 1 }, (_, power) => 10n ** BigInt(power)),
  );
}

export interface EmittedNumber {
  /** Reads the number at `at`, which then is behind it; ends the function at what it is not sure of. */
  readonly read: Body;
  /** What was read: the double nearest to it, or for "f32" one that rounds to the right f32. */
  readonly value: Local<"f64">;
}

/** A number as `DecimalReader` reads it, in a kernel whose memory begins with `writePowers`. */
export function emitNumber(f: FunctionBuilder, at: Local<"i32">, precision: "f32" | "f64"): EmittedNumber {
  const { negative, digit, begin, whole, exponent, count, minus, power } = f.named("i32", [
    ...["negative", "digit", "begin", "whole", "exponent"],
    ...["count", "minus", "power"],
  ] as const);
  const mantissa = f.local("i64");
  const value = f.local("f64");
  const digits = f.local("v128");
  const isDigit = i32.ltU(digit.tee(i32.sub(i32.load8U(at), ZERO)), 10);
  const addDigit = [
    mantissa.set(i64.add(i64.mul(mantissa, i64.const(10n)), i64.extendI32U(digit))),
    increase(at, 1),
  ];
  const read = [
    negative.set(i32.eq(i32.load8U(at), MINUS)),
    increase(at, negative),
    begin.set(at),
    mantissa.set(i64.const(0n)),
    exponent.set(0),
    whileLoop(isDigit, addDigit),
    // A sign of its own, no digit before the point, a word; or more digits than an i64 has.
    whole.set(i32.sub(at, begin)),
    when(i32.geU(i32.sub(whole, 1), MAX_DIGITS), leave),
    when(i32.eq(i32.load8U(at), POINT), [
      increase(at, 1),
      digits.set(i8x16.sub(v128.load(at), i8x16.splat(ZERO))),
      count.set(i32.ctz(i32.or(i8x16.bitmask(i8x16.gtU(digits, i8x16.splat(9))), 1 << VECTOR_BYTES))),
      when(i32.gtU(i32.add(whole, count), MAX_DIGITS), leave),
      mantissa.set(
        i64.add(
          i64.mul(mantissa, i64.load(i32.shl(count, 3), 8 * (MAX_POWER + 1))),
          sixteenDigits(digits, count, f.local("v128")),
        ),
      ),
      increase(at, count),
      when(i32.eq(count, VECTOR_BYTES), [
        whileLoop(isDigit, [
          when(i64.geU(mantissa, i64.const(MAX_MANTISSA)), leave),
          addDigit,
          increase(count, 1),
        ]),
      ]),
      exponent.set(i32.sub(0, count)),
    ]),
    when(i32.eq(i32.or(i32.load8U(at), 0x20), LOWER_E), [
      increase(at, 1),
      minus.set(i32.eq(i32.load8U(at), MINUS)),
      increase(at, i32.or(minus, i32.eq(i32.load8U(at), PLUS))),
      begin.set(at),
      power.set(0),
      whileLoop(isDigit, [power.set(i32.add(i32.mul(power, 10), digit)), increase(at, 1)]),
      // None, or more than any number needs.
      when(i32.geU(i32.sub(i32.sub(at, begin), 1), 3), leave),
      exponent.set(i32.add(exponent, i32.select(minus, i32.sub(0, power), power))),
    ]),
    power.set(i32.select(i32.ltS(exponent, 0), i32.sub(0, exponent), exponent)),
    when(i32.gtU(power, MAX_POWER), leave),
    value.set(f64.load(i32.shl(power, 3))),
    when(
      i32.ltS(exponent, 0),
      value.set(f64.div(f64.convertI64S(mantissa), value)),
      value.set(f64.mul(f64.convertI64S(mantissa), value)),
    ),
    when(i64.geU(mantissa, i64.const(MAX_EXACT)), precision === "f64" ? leave : leaveUnlessSure(value)),
    value.set(f64.select(negative, f64.neg(value), value)),
  ];
  return { read, value };
}

/** The first `count` of 16 digits as one number: moved to the end, behind zeros, and joined by twos, fours and eights. */
function sixteenDigits(digits: Local<"v128">, count: I32, joined: Local<"v128">): Expr<"i64"> {
  const places = i8x16.const(Array.from({ length: VECTOR_BYTES }, (_, place) => place));
  const moved = i8x16.swizzle(digits, i8x16.sub(places, i8x16.splat(i32.sub(VECTOR_BYTES, count))));
  const twos = i16x8.shrU(i16x8.mul(moved, i16x8.splat(10 * 256 + 1)), 8);
  const fours = i32x4.dotI16x8S(twos, i32x4.splat(weights(100)));
  const eights = (of: V128): V128 =>
    i32x4.dotI16x8S(i16x8.narrowI32x4S(of, of), i32x4.splat(weights(10_000)));
  const half = (vector: V128, lane: number) => i64.extendI32U(i32x4.extractLane(vector, lane));
  const high = half({ type: "v128", code: joined.tee(eights(fours)).code }, 0);
  return i64.add(i64.mul(high, i64.const(100_000_000n)), half(joined, 1));
}

/** Of two i16 lanes: the first counts so many times, the second once. */
function weights(first: number): I32 {
  return i32.const(first | (1 << 16));
}

/** Ends the function at a size that might round to either of two f32, or is none at all. */
function leaveUnlessSure(size: Local<"f64">): Body {
  const last29Bits = i32.and(i32.wrapI64(i64.reinterpretF64(size)), LAST_29_BITS);
  const distance = i32.sub(last29Bits, F32_MIDPOINT - MIDPOINT_MARGIN);
  return [
    when(i32.ltU(distance, 2 * MIDPOINT_MARGIN), leave),
    when(f64.lt(size, f64.const(MIN_NORMAL_F32)), leave),
  ];
}
