// Distributions as tables of quantiles: a number of any of them costs one random integer and one interpolation.
// Their tails end at the quantiles 1/8192 and 1 - 1/8192 (3.67 deviations of a normal distribution).

const STEPS = 4096;

/** (STEPS + 1) quantiles of equal probability steps. */
export type Quantiles = Float32Array;

/** @param quantile the inverse of the distribution function, for probabilities in (0, 1) */
export function quantilesOf(quantile: (probability: number) => number): Quantiles {
  const margin = 1 / (2 * STEPS);
  return Float32Array.from({ length: STEPS + 1 }, (_, i) =>
    quantile(Math.min(1 - margin, Math.max(margin, i / STEPS))),
  );
}

/** The number that a random integer of 32 bits stands for. */
export function sample(quantiles: Quantiles, u32: number): number {
  const step = u32 >>> 20;
  const low = quantiles[step]!;
  return low + (quantiles[step + 1]! - low) * ((u32 & 0xfffff) / 0x100000);
}

export interface Moments {
  readonly mean: number;
  readonly deviation: number;
}

/** Of the numbers that `sample` gives. */
export function momentsOf(quantiles: Quantiles): Moments {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < STEPS; i++) {
    const [low, high] = [quantiles[i]!, quantiles[i + 1]!];
    sum += (low + high) / 2;
    squares += (low * low + low * high + high * high) / 3;
  }
  const mean = sum / STEPS;
  return { mean, deviation: Math.sqrt(squares / STEPS - mean * mean) };
}

/** Peter Acklam's rational approximation of the inverse normal distribution; relative error below 1.2e-9. */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return polynomial(TAIL_ABOVE, q) / (polynomial(TAIL_BELOW, q) * q + 1);
  }
  const q = p - 0.5;
  const r = q * q;
  return (polynomial(CENTRE_ABOVE, r) * q) / (polynomial(CENTRE_BELOW, r) * r + 1);
}

const CENTRE_ABOVE = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716,
  2.506628277459239,
];
const CENTRE_BELOW = [
  -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572,
];
const TAIL_ABOVE = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const TAIL_BELOW = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}

export const NORMAL = quantilesOf(normalQuantile);
