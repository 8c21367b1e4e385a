// The kernel of top-k-chunk-encode: radix select by histograms, as the host's codec does it (shard/codec/largest.ts), then
// compaction by prefix sums. Atomics count in workgroup memory alone and integers alone, so that the bits are the same every
// time.

import type { KernelCall } from "../../kernel.ts";
import { topKChunkEncode, type TopKParams } from "../../ops/chunk-codecs.ts";
import { elementCount } from "../../tensor.ts";
import type { Binding, WebGpuKernel, WebGpuPass } from "../kernel.ts";

const WORKGROUP = 256;
/** Neighbours that an invocation has of a tile: what a workgroup compacts at a time. */
const LANE_ELEMENTS = 4;
const TILE = WORKGROUP * LANE_ELEMENTS;
/** A stretch is a workgroup's share of the elements: so many workgroups are enough for a large GPU. */
const WANTED_STRETCHES = 256;
const LEAST_STRETCH = 4 * TILE;
/** Indices are told apart by 16 bits within as many elements. */
const INDEX_RANGE = 2 ** 16;

/** Digits of a magnitude's 31 bits: the first has the exponent and three bits of the mantissa. */
const DIGITS = [
  { shift: 20, count: 2048 },
  { shift: 10, count: 1024 },
  { shift: 0, count: 1024 },
] as const;
type Digit = (typeof DIGITS)[number];

interface Division {
  readonly elements: number;
  readonly kept: number;
  /** Elements of each but the last: a power of two up to INDEX_RANGE. */
  readonly stretch: number;
  readonly stretches: number;
}

function divide(elements: number, kept: number): Division {
  let stretch = LEAST_STRETCH;
  while (stretch < INDEX_RANGE && stretch * WANTED_STRETCHES < elements) stretch *= 2;
  return { elements, kept, stretch, stretches: Math.ceil(elements / stretch) };
}

const scratch = (name: string, write = false): Binding => ({
  of: write ? { scratch: name, write } : { scratch: name },
  type: "u32",
});

const values: Binding = { of: { output: 1 }, type: "u32" };

/** `body` runs in one workgroup for each stretch, [begin, end), or in one alone. */
function pass(
  { elements, stretch, stretches }: Division,
  bindings: WebGpuPass["bindings"],
  { module = "", body, alone = false }: { module?: string; body: string; alone?: boolean },
): WebGpuPass {
  return {
    wgsl: `const WORKGROUP = ${WORKGROUP}u;
${module}
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let stretch = id.x;
  let begin = stretch * ${stretch}u;
  let end = min(begin + ${stretch}u, ${elements}u);
  ${body}
}`,
    bindings,
    workgroups: [alone ? 1 : stretches, 1, 1],
  };
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

/** `scan(value, thread) -> vec2u`: the sum of what invocations before this one have, and of all. */
const SCAN = `var<workgroup> scanned: array<u32, WORKGROUP>;
var<workgroup> rows: array<u32, 16>;
fn scan(value: u32, thread: u32) -> vec2u {
  scanned[thread] = value;
  workgroupBarrier();
  if (thread < 16u) {
    var sum = 0u;
    for (var j = 0u; j < 16u; j++) { sum += scanned[thread * 16u + j]; }
    rows[thread] = sum;
  }
  workgroupBarrier();
  var before = 0u;
  var total = 0u;
  for (var row = 0u; row < 16u; row++) {
    if (row == thread / 16u) { before = total; }
    total += rows[row];
  }
  for (var j = thread & ~15u; j < thread; j++) { before += scanned[j]; }
  workgroupBarrier();
  return vec2u(before, total);
}
`;

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

/** Of a stretch: how many magnitudes are above the k-th, and in the upper half of the counter how many equal it. */
const TALLY = `fn tally(value: u32, kth: u32) -> u32 {
  let magnitude = value & 0x7fffffffu;
  return select(0u, 1u, magnitude > kth) + select(0u, 0x10000u, magnitude == kth);
}
`;

/** Each invocation's counts are below 2^16: it has at most INDEX_RANGE / WORKGROUP elements. */
function countKept(division: Division): WebGpuPass {
  return pass(
    division,
    { values, chosen: scratch("chosen"), counts: scratch("counts", true) },
    {
      module: `${SCAN}${TALLY}`,
      body: `var mine = 0u;
  let kth = $chosen[0];
  for (var i = begin + thread; i < end; i += WORKGROUP) { mine += tally($values[i], kth); }
  let larger = scan(mine & 0xffffu, thread).y;
  let equal = scan(mine >> 16u, thread).y;
  if (thread == 0u) {
    $counts[2u * stretch] = larger;
    $counts[2u * stretch + 1u] = equal;
  }`,
    },
  );
}

/** Counts become those of all stretches before. */
function placeStretches(division: Division): WebGpuPass {
  const { stretches } = division;
  return pass(
    division,
    { counts: scratch("counts", true) },
    {
      alone: true,
      module: SCAN,
      body: `var larger = 0u;
  var equal = 0u;
  for (var first = 0u; first < ${stretches}u; first += WORKGROUP) {
    let at = 2u * (first + thread);
    let present = first + thread < ${stretches}u;
    let ownLarger = scan(select(0u, $counts[min(at, ${2 * stretches - 2}u)], present), thread);
    let ownEqual = scan(select(0u, $counts[min(at + 1u, ${2 * stretches - 1}u)], present), thread);
    if (present) {
      $counts[at] = larger + ownLarger.x;
      $counts[at + 1u] = equal + ownEqual.x;
    }
    larger += ownLarger.y;
    equal += ownEqual.y;
  }`,
    },
  );
}

/** Writes what is kept in the order of its indices, and takes it from the values. */
function compact(division: Division): WebGpuPass {
  const { elements, stretch, stretches, kept } = division;
  const ranges = Math.ceil(elements / INDEX_RANGE);
  const perRange = INDEX_RANGE / stretch;
  return pass(
    division,
    {
      values,
      chosen: scratch("chosen"),
      counts: scratch("counts"),
      words: { of: { output: 0 }, type: "u32" },
    },
    {
      module: `${SCAN}${TALLY}fn bf16(value: u32) -> u32 {
  if ((value & 0x7fffffffu) > 0x7f800000u) { return (value | 0x400000u) & 0xffff0000u; }
  return (value + 0x7fffu + ((value >> 16u) & 1u)) & 0xffff0000u;
}
// Of numbers that are none, as IEEE 754 has it; of others the difference is exact.
fn left_of(value: u32, rounded: u32) -> u32 {
  if ((rounded & 0x7f800000u) != 0x7f800000u) {
    return bitcast<u32>(bitcast<f32>(value) - bitcast<f32>(rounded));
  }
  return select(0x7fc00000u, rounded ^ 0x80000000u, (value & 0x7f800000u) != 0x7f800000u);
}`,
      body: `let kth = $chosen[0];
  let ties = $chosen[1];
  var larger = $counts[2u * stretch];
  var equal = $counts[2u * stretch + 1u];
  if (thread == 0u && stretch % ${perRange}u == 0u) {
    let next = stretch + ${perRange}u;
    var place = ${kept}u;
    if (next < ${stretches}u) { place = $counts[2u * next] + min($counts[2u * next + 1u], ties); }
    $words[stretch / ${perRange}u] = place - larger - min(equal, ties);
  }
  for (var tile = begin; tile < end; tile += ${TILE}u) {
    let first = tile + thread * ${LANE_ELEMENTS}u;
    let last = min(first + ${LANE_ELEMENTS}u, end);
    var mine = 0u;
    for (var i = first; i < last; i++) { mine += tally($values[i], kth); }
    let sums = scan(mine, thread);
    var ownLarger = larger + (sums.x & 0xffffu);
    var ownEqual = equal + (sums.x >> 16u);
    for (var i = first; i < last; i++) {
      let value = $values[i];
      let magnitude = value & 0x7fffffffu;
      if (magnitude > kth || (magnitude == kth && ownEqual < ties)) {
        let rounded = bf16(value);
        $words[${ranges}u + ownLarger + min(ownEqual, ties)] = rounded | (i & 0xffffu);
        $values[i] = left_of(value, rounded);
      }
      if (magnitude > kth) { ownLarger++; }
      if (magnitude == kth) { ownEqual++; }
    }
    larger += sums.y & 0xffffu;
    equal += sums.y >> 16u;
  }`,
    },
  );
}

export const topKChunkKernel: WebGpuKernel = {
  name: "top-k-chunk-encode-webgpu",
  op: topKChunkEncode,
  accepts: () => true,
  build({ inputs, params }: KernelCall) {
    const division = divide(elementCount(inputs[0]!), (params as TopKParams).kept);
    return {
      passes: [
        ...DIGITS.flatMap((digit) => [countDigits(division, digit), chooseDigit(division, digit)]),
        countKept(division),
        placeStretches(division),
        compact(division),
      ],
      scratch: {
        histograms: division.stretches * DIGITS[0].count,
        chosen: 2,
        counts: 2 * division.stretches,
      },
    };
  },
};
