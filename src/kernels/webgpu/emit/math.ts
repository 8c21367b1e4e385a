// Elementary functions in WGSL, of f32 or vec4f. Scheme and coefficients: S. L. Moshier, Cephes Mathematical Library 2.2,
// single precision (expf.c, logf.c, tanhf.c). WGSL lets its own exp be off by 3 + 2 |x| ulp and its tanh by 1e-5
// (https://www.w3.org/TR/WGSL/#concrete-float-accuracy); these are off by a few ulp everywhere. A NaN stays NaN as far as
// the driver's compiler lets it.

import { elementType, type Width } from "./elements.ts";

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

/** ln 2 in two parts; the first has so few bits that its product with an exponent is exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;

/** c[0] x^n + ... + c[n] */
function polynomial(x: string, [first, ...rest]: readonly number[], T: string): string {
  return rest.reduce((sum, coefficient) => `(${sum} * ${x} + ${coefficient})`, `${T}(${first})`);
}

const DEFINITIONS = {
  /** e^x */
  exp: (T, I) => `fn exp_of(x: ${T}) -> ${T} {
  // Beyond these bounds the result is infinite or zero, and the exponent would no longer fit.
  let most = select(x, ${T}(89.0), x > ${T}(89.0));
  let bounded = select(most, ${T}(-104.0), most < ${T}(-104.0));
  let power = round(bounded * ${Math.LOG2E});
  let rest = (bounded - power * ${LN2_HIGH}) - power * ${LN2_LOW};
  let value = (${polynomial("rest", EXP, T)} * rest * rest + rest) + 1.0;
  // 2^power in two factors: neither over- nor underflows before the product does.
  let exponent = ${I}(power);
  let half = exponent >> ${unsigned(I)}(1u);
  let scale = bitcast<${T}>((half + 127) << ${unsigned(I)}(23u));
  return value * scale * bitcast<${T}>((exponent - half + 127) << ${unsigned(I)}(23u));
}
`,
  /** ln x of positive, normal x */
  log: (T, I) => `fn log_of(x: ${T}) -> ${T} {
  let bits = bitcast<${unsigned(I)}>(x);
  // x = mantissa 2^exponent with the mantissa in [sqrt(1/2), sqrt(2)).
  let fraction = bitcast<${T}>((bits & ${unsigned(I)}(0x7fffffu)) | ${unsigned(I)}(0x3f000000u));
  let small = fraction < ${T}(${Math.SQRT1_2});
  let mantissa = select(fraction, fraction + fraction, small) - 1.0;
  let exponent = ${T}(${I}(bits >> ${unsigned(I)}(23u)) - 126) - select(${T}(), ${T}(1.0), small);
  let square = mantissa * mantissa;
  var value = ${polynomial("mantissa", LOG, T)} * mantissa * square;
  value = (value + exponent * ${LN2_LOW}) - 0.5 * square;
  value = (mantissa + value) + exponent * ${LN2_HIGH};
  // The bits of an infinity and of a NaN make a mantissa too.
  return select(value, x, bits >= ${unsigned(I)}(0x7f800000u));
}
`,
  /** ln(1 + x) for x in [0, 1]: ln(u) x / (u - 1) with u = 1 + x corrects u's rounding (Kahan) */
  log1p: (T) => `fn log1p_of(x: ${T}) -> ${T} {
  let sum = x + 1.0;
  let rounded = sum - 1.0;
  let nothing = rounded == ${T}();
  return select(log_of(sum) * x / select(rounded, ${T}(1.0), nothing), x, nothing);
}
`,
  /** 1 / (1 + e^-x) */
  sigmoid: (T) => `fn sigmoid_of(x: ${T}) -> ${T} {
  return 1.0 / (1.0 + exp_of(select(-x, ${T}(88.0), x < ${T}(-88.0))));
}
`,
  tanh: (T) => `fn tanh_of(x: ${T}) -> ${T} {
  // Near 0 an odd polynomial, elsewhere 1 - 2 / (e^2|x| + 1) with the sign of x.
  let size = abs(x);
  let square = x * x;
  let near = ${polynomial("square", TANH, T)} * square * x + x;
  let far = 1.0 - 2.0 / (exp_of(2.0 * select(size, ${T}(40.0), size > ${T}(40.0))) + 1.0);
  return select(select(far, -far, x < ${T}()), near, size < ${T}(0.625));
}
`,
  /** phi(x), the density of the standard normal distribution */
  density: (T) => `fn density_of(x: ${T}) -> ${T} {
  return exp_of(x * x * -0.5) * ${1 / Math.sqrt(2 * Math.PI)};
}
`,
  /** Phi(x), the standard normal distribution, by its density; off by 3e-7 */
  normal: (T) => `fn normal_of(x: ${T}, density: ${T}) -> ${T} {
  let t = 1.0 / (1.0 + abs(x) * ${NORMAL_TAIL_P});
  // The tail beyond |x|; the distribution is it or the rest.
  let tail = ${polynomial("t", NORMAL_TAIL, T)} * t * density;
  return select(tail, 1.0 - tail, x > ${T}());
}
`,
} as const satisfies Readonly<Record<string, (T: string, I: string) => string>>;

function unsigned(I: string): string {
  return I === "i32" ? "u32" : "vec4u";
}

export type MathFunction = keyof typeof DEFINITIONS;

const USES: Readonly<Partial<Record<MathFunction, readonly MathFunction[]>>> = {
  log1p: ["log"],
  sigmoid: ["exp"],
  tanh: ["exp"],
  density: ["exp"],
  normal: ["density"],
};

/** The functions `exp_of`, ... and all that they use, of units of this width. */
export function mathFunctions(names: readonly MathFunction[], width: Width): string {
  const all = new Set<MathFunction>();
  const include = (name: MathFunction): void => {
    USES[name]?.forEach(include);
    all.add(name);
  };
  names.forEach(include);
  const [T, I] = [elementType(width), width === 4 ? "vec4i" : "i32"];
  return [...all].map((name) => DEFINITIONS[name](T, I)).join("");
}
