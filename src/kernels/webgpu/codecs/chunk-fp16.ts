// The kernel of fp16-chunk-encode: a team of invocations for each block. On bits, for a GPU may flush subnormal numbers.

import type { KernelCall } from "../../kernel.ts";
import { fp16ChunkEncode, type BlockParams } from "../../ops/chunk-codecs.ts";
import { elementCount } from "../../tensor.ts";
import { maximumOf } from "../emit/reduce.ts";
import { rowPass, rowTeams } from "../emit/rows.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { loadBits } from "./chunk.ts";

const HALVES = `// The halves nearest to floats of these bits times 2^exponent, ties to even; what is too large becomes infinite.
fn halves_of(x: vec4u, exponent: i32) -> vec4u {
  let size = x & vec4u(0x7fffffffu);
  // A subnormal number's digits move up, until the first is where that of others is.
  let isSubnormal = size < vec4u(0x00800000u);
  let missing = select(vec4u(), countLeadingZeros(size | vec4u(1u)) - vec4u(8u), isSubnormal);
  let digits = select((size & vec4u(0x7fffffu)) | vec4u(0x800000u), size << missing, isSubnormal);
  let biased = select(vec4i(size >> vec4u(23u)), vec4i(1) - vec4i(missing), isSubnormal) + vec4i(exponent);
  // From 2^-14 on: the exponent takes f16's bias, and a carry out of the digits raises it.
  let rebased = (vec4u(max(biased - vec4i(112), vec4i())) << vec4u(23u)) | (digits & vec4u(0x7fffffu));
  let even = (rebased >> vec4u(13u)) & vec4u(1u);
  let normal = min((rebased + vec4u(0xfffu) + even) >> vec4u(13u), vec4u(0x7c00u));
  // Below it: so many of the digits as are worth 2^-24, none of them from 2^-26 down.
  let shift = vec4u(126u) - vec4u(clamp(biased, vec4i(101), vec4i(112)));
  let half = vec4u(1u) << (shift - vec4u(1u));
  let tie = (digits >> shift) & vec4u(1u);
  let small = select((digits + half - vec4u(1u) + tie) >> shift, vec4u(), biased < vec4i(101));
  let finite = select(select(small, normal, biased >= vec4i(113)), vec4u(), size == vec4u());
  let special = select(vec4u(0x7c00u), vec4u(0x7e00u), size > vec4u(0x7f800000u));
  return select(finite, special, size >= vec4u(0x7f800000u)) | ((x >> vec4u(16u)) & vec4u(0x8000u));
}
`;

export const fp16ChunkKernel: WebGpuKernel = {
  name: "fp16-chunk-encode-webgpu",
  op: fp16ChunkEncode,
  accepts: () => true,
  build({ inputs, outputs, params }: KernelCall, target) {
    const { blockElements } = params as BlockParams;
    const elements = elementCount(inputs[0]!);
    const blocks = Math.ceil(elements / blockElements);
    const units = Math.ceil(elements / 4);
    const blockUnits = Math.min(blockElements / 4, units);
    const words = elementCount(outputs[0]!);
    /** Words behind the last unit's, or those that it lacks. */
    const fill = words - blocks - 2 * units;
    const pass = rowPass(
      {
        teams: rowTeams(blocks, blockUnits),
        bindings: {
          x: { of: { input: 0 }, type: "vec4u" },
          words: { of: { output: 0 }, type: "u32" },
        },
        reductions: [{ name: "row_maximum", type: "u32", combine: maximumOf }],
        module: HALVES,
        row: `let first = row * ${blockUnits}u;
    let end = min(first + ${blockUnits}u, ${units}u);
    // Magnitudes compare as integers, infinities and NaNs above all.
    var most = vec4u();
    for (var i = first + lane; i < end; i += LANES) {
      most = max(most, ${loadBits("i", elements)} & vec4u(0x7fffffffu));
    }
    let largest = row_maximum(max(max(most.x, most.y), max(most.z, most.w)), thread);
    let exponent = 141 - i32(max(largest >> 23u, 1u));
    if (present) {
      if (lane == 0u) { $words[row] = bitcast<u32>(exponent); }
      for (var i = first + lane; i < end; i += LANES) {
        let halves = halves_of(${loadBits("i", elements)}, exponent);
        $words[${blocks}u + 2u * i] = halves.x | (halves.y << 16u);
        ${fill < 0 ? `if (i < ${units - 1}u) ` : ""}{ $words[${blocks + 1}u + 2u * i] = halves.z | (halves.w << 16u); }
      }
    }`,
        ...(fill > 0 && { after: `if (thread == 0u && group == 0u) { $words[${words - 1}u] = 0u; }` }),
      },
      target,
    );
    return { passes: [pass] };
  },
};
