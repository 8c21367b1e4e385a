// The kernel of int8-chunk-encode: a team of invocations for each block, each for a few neighbouring values. The host divides
// and multiplies in f64, which a GPU lacks: integers give the same bits.

import type { KernelCall } from "../../kernel.ts";
import { int8ChunkEncode, type BlockParams } from "../../ops/chunk-codecs.ts";
import { elementCount } from "../../tensor.ts";
import { MULTIPLY_HIGH } from "../emit/philox.ts";
import { maximumOf } from "../emit/reduce.ts";
import { rowPass, rowTeams } from "../emit/rows.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { loadBits } from "./chunk.ts";
import { LIMIT, QUOTIENT } from "./int8.ts";

/** The generator's next number. */
function xorshift(state: number): number {
  let next = state;
  next ^= next << 13;
  next ^= next >>> 17;
  next ^= next << 5;
  return next >>> 0;
}

const XORSHIFT = `fn xorshift(state: u32) -> u32 {
  var next = state;
  next ^= next << 13u;
  next ^= next >> 17u;
  return next ^ (next << 5u);
}
// The start of a block's numbers: the finaliser of MurmurHash3, a bijection; never 0.
fn first_state(seed: u32, block: u32) -> u32 {
  var state = seed + (block + 1u) * 0x9e3779b1u;
  state = (state ^ (state >> 16u)) * 0x85ebca6bu;
  state = (state ^ (state >> 13u)) * 0xc2b2ae35u;
  return max(state ^ (state >> 16u), 1u);
}
`;

/**
 * `jump(state: u32, lane: u32) -> u32`: `lane` times `steps` numbers on. The generator is linear over bits, so a jump is the
 * exclusive or of where each bit of the state would be, and jumps of powers of two together make any.
 */
function jumps(lanes: number, steps: number): string {
  let columns = Array.from({ length: 32 }, (_, bit) => (1 << bit) >>> 0);
  for (let step = 0; step < steps; step++) columns = columns.map(xorshift);
  const apply = (state: number): number =>
    columns.reduce((sum, column, bit) => ((state >>> bit) & 1 ? sum ^ column : sum), 0) >>> 0;
  const jumps: string[] = [];
  for (let stride = 1; stride < lanes; stride *= 2) {
    const terms = columns.map(
      (column, bit) => `select(0u, ${column}u, (state & ${(1 << bit) >>> 0}u) != 0u)`,
    );
    jumps.push(`  if ((lane & ${stride}u) != 0u) {
    state = ${terms.join(" ^\n      ")};
  }`);
    columns = columns.map(apply);
  }
  return `fn jump(start: u32, lane: u32) -> u32 {
  var state = start;
${jumps.join("\n")}
  return state;
}
`;
}

/**
 * What f64 gives of floor(x * (2^16 / scale)). A quotient that is no integer is too far from one for f64's two roundings to
 * reach it (1 / scale's digits are 24); one that is, they may miss by a unit in the last place, and then the floor differs.
 */
const UNITS = `// Whether n * (2^76 / digits), rounded as f64, is off: below n if it is to be, else above; n has at most 23 bits.
fn is_off(n: u32, digits: u32, below: bool) -> bool {
  var left = (1u << 24u) % digits;
  for (var i = 0u; i < 6u; i++) { left = (left << 8u) % digits; }
  left = (left << 4u) % digits;
  // 2^76 / digits is rounded down, by left / digits, or up, by what it lacks.
  let down = 2u * left <= digits;
  let off = select(digits - left, left, down);
  if (down != below || off == 0u) { return false; }
  let zeros = countLeadingZeros(n);
  let a = n << zeros;
  let b = off << 9u;
  // Half a unit in the last place, which below a power of two is half as large.
  let half = select(0x80000000u, 0x40000000u, below && a == 0x80000000u);
  let high = multiply_high(a, b);
  return high > half || (high == half && a * b != 0u);
}
// floor(x * 2^16 / scale) of float bits; scale is normal and at least |x| / 128.
fn units_of(x: u32, scale: u32) -> i32 {
  let size = x & 0x7fffffffu;
  if (size == 0u) { return 0; }
  let negative = x != size;
  var exponent = i32(size >> 23u);
  var dividend = (size & 0x7fffffu) | 0x800000u;
  if (exponent == 0) {
    let missing = countLeadingZeros(size) - 8u;
    dividend = size << missing;
    exponent = 1 - i32(missing);
  }
  let divisor = (scale & 0x7fffffu) | 0x800000u;
  let shift = exponent - i32(scale >> 23u) + 16;
  if (shift < 0) { return select(0, -1, negative); }
  // The quotient's digits, off by a few, and what they leave: that is small, so that it is exact modulo 2^32.
  var n = u32(f32(dividend) / f32(divisor) * f32(1u << u32(shift)));
  var rest = i32((dividend << u32(shift)) - n * divisor);
  while (rest < 0) { n -= 1u; rest += i32(divisor); }
  while (rest >= i32(divisor)) { n += 1u; rest -= i32(divisor); }
  if (rest == 0 && n > 0u) {
    let off = is_off(n, divisor, !negative);
    return select(i32(n) - select(0, 1, off), -i32(n) - select(0, 1, off), negative);
  }
  return select(i32(n), -i32(n) - 1, negative);
}
`;

export const int8ChunkKernel: WebGpuKernel = {
  name: "int8-chunk-encode-webgpu",
  op: int8ChunkEncode,
  accepts: () => true,
  build({ inputs, params }: KernelCall, target) {
    const { blockElements } = params as BlockParams;
    const elements = elementCount(inputs[0]!);
    const blocks = Math.ceil(elements / blockElements);
    const units = Math.ceil(elements / 4);
    const blockUnits = Math.min(blockElements / 4, units);
    const teams = rowTeams(blocks, blockUnits);
    const laneUnits = Math.ceil(blockUnits / teams.lanes);
    const pass = rowPass(
      {
        teams,
        bindings: {
          x: { of: { input: 0 }, type: "vec4u" },
          seed: { of: { input: 1 }, type: "u32" },
          words: { of: { output: 0 }, type: "u32" },
        },
        reductions: [{ name: "row_maximum", type: "u32", combine: maximumOf }],
        module: [QUOTIENT, MULTIPLY_HIGH, UNITS, XORSHIFT, jumps(teams.lanes, 2 * laneUnits)].join(""),
        row: `let begin = row * ${blockUnits}u;
    let first = begin + lane * ${laneUnits}u;
    let end = min(first + ${laneUnits}u, min(begin + ${blockUnits}u, ${units}u));
    // Magnitudes compare as integers, infinities and NaNs above all.
    var most = vec4u();
    for (var i = first; i < end; i++) {
      most = max(most, ${loadBits("i", elements)} & vec4u(0x7fffffffu));
    }
    let largest = row_maximum(max(max(most.x, most.y), max(most.z, most.w)), thread);
    let finite = largest < 0x7f800000u;
    let scale = max(quotient(select(0u, largest, finite), ${LIMIT}), 0x00800000u);
    if (present) {
      if (lane == 0u) { $words[row] = select(0x7fc00000u, scale, finite); }
      var state = jump(first_state($seed[0], row), lane);
      for (var i = first; i < end; i++) {
        let x = select(vec4u(), ${loadBits("i", elements)}, finite);
        let low = xorshift(state);
        state = xorshift(low);
        let random = vec4i(vec4u(low & 0xffffu, low >> 16u, state & 0xffffu, state >> 16u));
        let whole = vec4i(units_of(x.x, scale), units_of(x.y, scale), units_of(x.z, scale), units_of(x.w, scale));
        let bytes = (bitcast<vec4u>((whole + random) >> vec4u(16u)) & vec4u(0xffu)) << vec4u(0u, 8u, 16u, 24u);
        $words[${blocks}u + i] = bytes.x | bytes.y | bytes.z | bytes.w;
      }
    }`,
      },
      target,
    );
    return { passes: [pass] };
  },
};
