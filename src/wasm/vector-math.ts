// Elementary functions of four f32 lanes. Scheme and coefficients: S. L. Moshier, Cephes Mathematical Library 2.2,
// single precision (expf.c, logf.c, tanhf.c). No fused multiply-add, so that all machines give equal bits.
// A NaN stays NaN. Errors are stated in units in the last place (ulp), and tests hold the functions to them.

import type { FunctionBuilder, Local } from "./emitter.ts";
import { f32, f32x4, i32x4, v128, type Body, type V128 } from "./instructions.ts";

const LOG2_E = Math.LOG2E;
/** ln 2 in two parts; the first has so few bits that its product with an exponent is exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;

const EXP = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
];
const LOG = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
];
const TANH = [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1];

/** Abramowitz and Stegun, "Handbook of mathematical functions", 26.2.17: coefficients of t^5 to t, t = 1 / (1 + p |x|). */
const NORMAL_TAIL = [1.330274429, -1.821255978, 1.781477937, -0.356563782, 0.31938153];
const NORMAL_TAIL_P = 0.2316419;

/** A float whose last bit is worth 1: added to a small float, it rounds it to an integer. */
const INTEGER_BIAS = 1.5 * 2 ** 23;
const INTEGER_BIAS_BITS = 0x4b400000;
const EXPONENT_BIAS = 127;
const MANTISSA_BITS = 23;
const SIGN_BIT = -0x80000000;

/** Emits functions into one WebAssembly function, whose body must begin with `prologue()`. */
export class VectorMath {
  readonly #f: FunctionBuilder;
  readonly #constants = new Map<string, { readonly local: Local<"v128">; readonly value: V128 }>();

  constructor(f: FunctionBuilder) {
    this.#f = f;
  }

  #hoist(key: string, value: () => V128): V128 {
    const known = this.#constants.get(key);
    if (known !== undefined) return known.local;
    const local = this.#f.local("v128");
    this.#constants.set(key, { local, value: value() });
    return local;
  }

  /** Four times the float `value`. Constants live in locals: V8 joins pairs that share one. */
  constant(value: number): V128 {
    return this.#hoist(`f32 ${Object.is(value, -0) ? "-0" : value}`, () => f32x4.splat(f32.const(value)));
  }

  /** Four times the integer `value`. */
  integer(value: number): V128 {
    return this.#hoist(`i32 ${value}`, () => i32x4.splat(value));
  }

  /** Sets the constants. To be called after all else has been emitted, and placed before it. */
  prologue(): Body {
    return [...this.#constants.values()].map(({ local, value }) => local.set(value));
  }

  /** The nearest integers (ties to even) of |x| < 2^22, as i32; 0 for a NaN. */
  nearestInteger(x: Local<"v128">): V128 {
    const biased = f32x4.add(x, this.constant(INTEGER_BIAS));
    return v128.and(i32x4.sub(biased, this.integer(INTEGER_BIAS_BITS)), f32x4.eq(x, x));
  }

  /** c[0] x^n + ... + c[n] */
  #polynomial(x: V128, coefficients: readonly number[]): V128 {
    return coefficients
      .map((coefficient) => this.constant(coefficient))
      .reduce((sum, coefficient) => f32x4.add(f32x4.mul(sum, x), coefficient));
  }

  /** result = e^x, within 2 ulp. */
  exp(result: Local<"v128">, x: V128): Body {
    const f = this.#f;
    const { exponent, power, rest, half } = f.named("v128", ["exponent", "power", "rest", "half"]);
    const scale = (power: V128) => i32x4.shl(i32x4.add(power, this.integer(EXPONENT_BIAS)), MANTISSA_BITS);
    // Beyond these bounds the result is infinite or zero, and the exponent would no longer fit.
    const clamped = f32x4.pmax(f32x4.pmin(x, this.constant(89)), this.constant(-104));
    return [
      rest.set(clamped),
      // The sum's last bits are the nearest integer: conversions would take several instructions each.
      exponent.set(f32x4.add(f32x4.mul(rest, this.constant(LOG2_E)), this.constant(INTEGER_BIAS))),
      power.set(i32x4.sub(exponent, this.integer(INTEGER_BIAS_BITS))),
      exponent.set(f32x4.sub(exponent, this.constant(INTEGER_BIAS))),
      rest.set(f32x4.sub(rest, f32x4.mul(exponent, this.constant(LN2_HIGH)))),
      rest.set(f32x4.sub(rest, f32x4.mul(exponent, this.constant(LN2_LOW)))),
      result.set(f32x4.mul(f32x4.mul(this.#polynomial(rest, EXP), rest), rest)),
      result.set(f32x4.add(f32x4.add(result, rest), this.constant(1))),
      // 2^exponent in two factors: neither over- nor underflows before the product does.
      half.set(i32x4.shrS(power, 1)),
      result.set(f32x4.mul(result, scale(half))),
      result.set(f32x4.mul(result, scale(i32x4.sub(power, half)))),
    ];
  }

  /** result = ln x for positive, finite, normal x, within 2 ulp. */
  log(result: Local<"v128">, x: V128): Body {
    const f = this.#f;
    const { input, mantissa, exponent, small, square } = f.named("v128", [
      "input",
      "mantissa",
      "exponent",
      "small",
      "square",
    ]);
    const HALF_EXPONENT = (EXPONENT_BIAS - 1) << MANTISSA_BITS;
    const MANTISSA_MASK = (1 << MANTISSA_BITS) - 1;
    return [
      input.set(x),
      // x = mantissa * 2^exponent with mantissa in [1/2, 1) ...
      exponent.set(i32x4.sub(i32x4.shrU(input, MANTISSA_BITS), this.integer(EXPONENT_BIAS - 1))),
      mantissa.set(v128.or(v128.and(input, this.integer(MANTISSA_MASK)), this.integer(HALF_EXPONENT))),
      // ... moved to [sqrt(1/2), sqrt(2)), less 1.
      small.set(f32x4.lt(mantissa, this.constant(Math.SQRT1_2))),
      exponent.set(f32x4.convertI32x4S(i32x4.add(exponent, small))),
      mantissa.set(f32x4.sub(f32x4.add(mantissa, v128.and(mantissa, small)), this.constant(1))),
      square.set(f32x4.mul(mantissa, mantissa)),
      result.set(f32x4.mul(f32x4.mul(this.#polynomial(mantissa, LOG), mantissa), square)),
      result.set(f32x4.add(result, f32x4.mul(exponent, this.constant(LN2_LOW)))),
      result.set(f32x4.sub(result, f32x4.mul(square, this.constant(0.5)))),
      result.set(f32x4.add(f32x4.add(mantissa, result), f32x4.mul(exponent, this.constant(LN2_HIGH)))),
      // The bits of a NaN make a mantissa too: put it back.
      result.set(f32x4.add(result, f32x4.sub(input, input))),
    ];
  }

  /** result = ln(1 + x) for x in [0, 1], within 4 ulp: ln(u) x / (u - 1) with u = 1 + x corrects u's rounding (Kahan). */
  log1p(result: Local<"v128">, x: V128): Body {
    const { small, sum, rounded } = this.#f.named("v128", ["small", "sum", "rounded"]);
    return [
      small.set(x),
      sum.set(f32x4.add(small, this.constant(1))),
      this.log(result, sum),
      rounded.set(f32x4.sub(sum, this.constant(1))),
      result.set(
        v128.bitselect(
          small,
          f32x4.div(f32x4.mul(result, small), rounded),
          f32x4.eq(rounded, this.constant(0)),
        ),
      ),
    ];
  }

  /** result = 1 / (1 + e^-x), within 4 ulp down to x = -87; 0 below -89. */
  sigmoid(result: Local<"v128">, x: V128): Body {
    return [
      this.exp(result, f32x4.neg(x)),
      result.set(f32x4.div(this.constant(1), f32x4.add(result, this.constant(1)))),
    ];
  }

  /** result = tanh x, within 3 ulp. */
  tanh(result: Local<"v128">, x: V128): Body {
    const { input, size, square, near } = this.#f.named("v128", ["input", "size", "square", "near"]);
    return [
      input.set(x),
      size.set(f32x4.abs(input)),
      // Near 0 an odd polynomial, elsewhere 1 - 2 / (e^2|x| + 1) with the sign of x.
      square.set(f32x4.mul(input, input)),
      near.set(f32x4.mul(f32x4.mul(this.#polynomial(square, TANH), square), input)),
      near.set(f32x4.add(near, input)),
      this.exp(result, f32x4.add(size, size)),
      result.set(f32x4.div(this.constant(2), f32x4.add(result, this.constant(1)))),
      result.set(f32x4.sub(this.constant(1), result)),
      result.set(v128.or(result, v128.and(input, this.integer(SIGN_BIT)))),
      result.set(v128.bitselect(near, result, f32x4.lt(size, this.constant(0.625)))),
    ];
  }

  /** distribution = Phi(x), density = phi(x) of the standard normal distribution, both with errors below 3e-7. */
  normal(distribution: Local<"v128">, density: Local<"v128">, x: V128): Body {
    const { input, t } = this.#f.named("v128", ["input", "t"]);
    const one = this.constant(1);
    return [
      input.set(x),
      this.exp(density, f32x4.mul(f32x4.mul(input, input), this.constant(-0.5))),
      density.set(f32x4.mul(density, this.constant(1 / Math.sqrt(2 * Math.PI)))),
      t.set(f32x4.div(one, f32x4.add(one, f32x4.mul(f32x4.abs(input), this.constant(NORMAL_TAIL_P))))),
      // The tail beyond |x|; the distribution is it or the rest.
      distribution.set(f32x4.mul(f32x4.mul(this.#polynomial(t, NORMAL_TAIL), t), density)),
      distribution.set(
        v128.bitselect(f32x4.sub(one, distribution), distribution, f32x4.gt(input, this.constant(0))),
      ),
    ];
  }
}
