// Kernels of int8: a team of invocations for each block of elements that share a scale. Scales and quotients are those of
// IEEE 754, to the last bit, though WGSL lets a division be off by 2.5 ulp and flush subnormal numbers: integers have no
// tolerance, and ranks decode what others have encoded.

import type { KernelCall } from "../../kernel.ts";
import {
  INT8_KEY,
  int8Decode,
  int8Encode,
  type Int8DecodeParams,
  type Int8EncodeParams,
} from "../../ops/int8.ts";
import { elementCount } from "../../tensor.ts";
import { flatPass, storeVec4 } from "../emit/flat.ts";
import { PHILOX } from "../emit/philox.ts";
import { maximumOf } from "../emit/reduce.ts";
import { rowPass, rowTeams } from "../emit/rows.ts";
import type { WebGpuKernel } from "../kernel.ts";

/** `quotient(a: u32, b: u32) -> u32` */
export const QUOTIENT = `// a / b as float bits, rounded to the nearest even, of bits of a and b that are not negative; b is normal. What is no
// normal number is 0.
fn quotient(a: u32, b: u32) -> u32 {
  if (a == 0u) { return 0u; }
  var exponent = i32(a >> 23u);
  var dividend = (a & 0x7fffffu) | 0x800000u;
  if (exponent == 0) {
    let missing = countLeadingZeros(a) - 8u;
    dividend = a << missing;
    exponent = 1 - i32(missing);
  }
  let divisor = (b & 0x7fffffu) | 0x800000u;
  let shift = select(23u, 24u, dividend < divisor);
  // The quotient's 24 digits, off by a few, and what they leave: that is small, so that it is exact modulo 2^32.
  var digits = u32(f32(dividend) / f32(divisor) * f32(1u << shift));
  var rest = i32((dividend << shift) - digits * divisor);
  while (rest < 0) { digits -= 1u; rest += i32(divisor); }
  while (rest >= i32(divisor)) { digits += 1u; rest -= i32(divisor); }
  let twice = 2u * u32(rest);
  if (twice > divisor || (twice == divisor && (digits & 1u) == 1u)) { digits += 1u; }
  exponent += 150 - i32(b >> 23u) - i32(shift);
  // A carry out of the digits raises the exponent.
  return select(0u, (u32(exponent) << 23u) + digits - 0x800000u, exponent > 0);
}
`;

/** 127 as float bits. */
export const LIMIT = "0x42fe0000u";

/** `quantise(x, scale)`: x as a number of scales, in -127..127 and not yet rounded to an integer. */
const QUANTISE = `fn quantise(x: u32, scale: u32) -> f32 {
  return bitcast<f32>(min(quotient(x & 0x7fffffffu, scale), ${LIMIT}) | (x & 0x80000000u));
}
`;

/** `bytes_of(value, halves)`: rounded, with 16 random bits for each. */
const NEAREST = `fn bytes_of(value: vec4f, halves: vec4u) -> vec4u { return vec4u(vec4i(round(value))) & vec4u(0xffu); }
`;

/** The sum of `below` and `threshold` has few enough bits to be exact. */
const STOCHASTIC = `fn bytes_of(value: vec4f, halves: vec4u) -> vec4u {
  let below = floor(value);
  let threshold = (vec4f(halves) + 0.5) * ${2 ** -16};
  return vec4u(vec4i(below + select(vec4f(), vec4f(1.0), below + threshold < value))) & vec4u(0xffu);
}
`;

const encodeKernel: WebGpuKernel = {
  name: "int8-encode-webgpu",
  op: int8Encode,
  accepts: () => true,
  build({ inputs, outputs, params }: KernelCall, target) {
    const { blockElements, rounding } = params as Int8EncodeParams;
    const elements = elementCount(inputs[0]!);
    const blocks = elementCount(outputs[1]!);
    const words = elementCount(outputs[0]!);
    const blockWords = Math.ceil(Math.min(blockElements, elements) / 4);
    const stochastic = rounding === "stochastic";
    const present = `4u * vec4u(word) + vec4u(0u, 1u, 2u, 3u) < vec4u(${elements}u)`;
    const load = elements % 4 === 0 ? "$x[word]" : `select(vec4u(), $x[word], ${present})`;
    const random = `let random = philox(
          vec4u(word / 2u, $counters[0], $counters[1], $counters[3]),
          vec2u($counters[2], ${INT8_KEY}u),
        );
        let pair = select(random.xy, random.zw, (word & 1u) == 1u);
        let halves = vec4u(pair.x & 0xffffu, pair.x >> 16u, pair.y & 0xffffu, pair.y >> 16u);`;
    const pass = rowPass(
      {
        teams: rowTeams(blocks, blockWords),
        bindings: {
          x: { of: { input: 0 }, type: "vec4u" },
          ...(stochastic && { counters: { of: { input: 1 }, type: "u32" } }),
          packed: { of: { output: 0 }, type: "u32" },
          scales: { of: { output: 1 }, type: "u32" },
        },
        reductions: [{ name: "row_maximum", type: "u32", combine: maximumOf }],
        module: `${QUOTIENT}${QUANTISE}${stochastic ? PHILOX + STOCHASTIC : NEAREST}`,
        row: `let first = row * ${blockWords}u;
    let end = min(first + ${blockWords}u, ${words}u);
    // Magnitudes compare as integers, infinities and NaNs above all.
    var most = vec4u();
    for (var word = first + lane; word < end; word += LANES) {
      most = max(most, ${load} & vec4u(0x7fffffffu));
    }
    let largest = row_maximum(max(max(most.x, most.y), max(most.z, most.w)), thread);
    let finite = largest < 0x7f800000u;
    let scale = max(quotient(select(0u, largest, finite), ${LIMIT}), 0x00800000u);
    if (present && lane == 0u) {
      $scales[row] = select(select(0x7fc00000u, 0x7f800000u, largest == 0x7f800000u), scale, finite);
    }
    if (present) {
      for (var word = first + lane; word < end; word += LANES) {
        let x = select(vec4u(), ${load}, finite);
        let value = vec4f(
          quantise(x.x, scale), quantise(x.y, scale), quantise(x.z, scale), quantise(x.w, scale),
        );
        ${stochastic ? random : "let halves = vec4u();"}
        let bytes = bytes_of(value, halves) << vec4u(0u, 8u, 16u, 24u);
        $packed[word] = bytes.x | bytes.y | bytes.z | bytes.w;
      }
    }`,
      },
      target,
    );
    return { passes: [pass] };
  },
};

const decodeKernel: WebGpuKernel = {
  name: "int8-decode-webgpu",
  op: int8Decode,
  accepts: () => true,
  build({ params }: KernelCall) {
    const { length, blockElements } = params as Int8DecodeParams;
    const block = blockElements >= length ? "0" : `i / ${blockElements / 4}u`;
    return {
      passes: [
        flatPass({
          count: Math.ceil(length / 4),
          bindings: {
            packed: { of: { input: 0 }, type: "u32" },
            scales: { of: { input: 1 }, type: "u32" },
            x: { of: { output: 0 }, type: "vec4u" },
          },
          body: `let word = $packed[i];
  let scale = $scales[${block}];
  let q = bitcast<vec4i>(vec4u(word << 24u, word << 16u, word << 8u, word)) >> vec4u(24u);
  let finite = (scale & 0x7f800000u) != 0x7f800000u;
  let bits = bitcast<vec4u>(vec4f(q) * bitcast<f32>(select(0u, scale, finite)));
  ${storeVec4("x", "select(vec4u(0x7fc00000u), bits, finite)", length)}`,
        }),
      ],
    };
  },
};

export const int8Kernels: readonly WebGpuKernel[] = [encodeKernel, decodeKernel];
