// The k-th largest magnitude: radix select by histograms, as the host's codec does it (shard/codec/largest.ts). Atomics count in
// workgroup memory alone and integers alone, so that the bits are the same every time.

import type { WebGpuPass } from "../kernel.ts";
import { type Division, pass, SCAN, scratch, values, WORKGROUP } from "./top-k-stretches.ts";

/** Digits of a magnitude's 31 bits: the first has the exponent and three bits of the mantissa. */
const DIGITS = [
  { shift: 20, count: 2048 },
  { shift: 10, count: 1024 },
  { shift: 0, count: 1024 },
] as const;
type Digit = (typeof DIGITS)[number];

/** They leave in `chosen` the k-th magnitude, and how many of those that equal it are among the k. */
export function selectPasses(division: Division): WebGpuPass[] {
  return DIGITS.flatMap((digit) => [countDigits(division, digit), chooseDigit(division, digit)]);
}

/** Elements of `histograms`. */
export function histogramElements({ stretches }: Division): number {
  return stretches * DIGITS[0].count;
}

/** Counts each stretch's digits, of those magnitudes alone whose digits before are the chosen ones. */
function countDigits(division: Division, { shift, count }: Digit): WebGpuPass {
  const isFirst = shift === DIGITS[0].shift;
  return pass(
    division,
    {
      values,
      ...(isFirst && {
        x: { of: { input: 0 }, type: "u32" },
        residual: { of: { input: 1 }, type: "u32" },
      }),
      ...(!isFirst && { chosen: scratch("chosen") }),
      histograms: scratch("histograms", true),
    },
    {
      module: `var<workgroup> bins: array<atomic<u32>, ${count}>;`,
      body: `for (var bin = thread; bin < ${count}u; bin += WORKGROUP) { atomicStore(&bins[bin], 0u); }
  workgroupBarrier();
  for (var i = begin + thread; i < end; i += WORKGROUP) {
    ${
      isFirst
        ? `let value = bitcast<u32>(bitcast<f32>($residual[i]) + bitcast<f32>($x[i]));
    $values[i] = value;
    atomicAdd(&bins[(value & 0x7fffffffu) >> ${shift}u], 1u);`
        : `let digits = ($values[i] & 0x7fffffffu) >> ${shift}u;
    if (digits / ${count}u == $chosen[0]) { atomicAdd(&bins[digits % ${count}u], 1u); }`
    }
  }
  workgroupBarrier();
  for (var bin = thread; bin < ${count}u; bin += WORKGROUP) {
    $histograms[stretch * ${count}u + bin] = atomicLoad(&bins[bin]);
  }`,
    },
  );
}

/** Chooses the digit of the k-th largest magnitude: `chosen` is then the digits so far, and how many of the k have them. */
function chooseDigit(division: Division, { shift, count }: Digit): WebGpuPass {
  const { stretches, kept } = division;
  const isFirst = shift === DIGITS[0].shift;
  const own = count / WORKGROUP;
  return pass(
    division,
    { histograms: scratch("histograms"), chosen: scratch("chosen", true) },
    {
      alone: true,
      module: `${SCAN}var<workgroup> totals: array<u32, ${count}>;`,
      body: `let digits = ${isFirst ? "0u" : "$chosen[0]"};
  let wanted = ${isFirst ? `${kept}u` : "$chosen[1]"};
  for (var bin = thread; bin < ${count}u; bin += WORKGROUP) {
    var total = 0u;
    for (var s = 0u; s < ${stretches}u; s++) { total += $histograms[s * ${count}u + bin]; }
    totals[bin] = total;
  }
  workgroupBarrier();
  // The first invocation has the largest digits.
  let top = ${count - 1}u - thread * ${own}u;
  var mine = 0u;
  for (var j = 0u; j < ${own}u; j++) { mine += totals[top - j]; }
  var above = scan(mine, thread).x;
  if (above < wanted && wanted <= above + mine) {
    var digit = top;
    while (above + totals[digit] < wanted) { above += totals[digit]; digit--; }
    $chosen[0] = digits * ${count}u + digit;
    $chosen[1] = wanted - above;
  }`,
    },
  );
}
