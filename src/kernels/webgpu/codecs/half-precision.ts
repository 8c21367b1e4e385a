// Kernels of bf16 and f16, on bits: a GPU's own conversions may flush subnormal numbers, round otherwise, and know no NaN.

import type { KernelCall } from "../../kernel.ts";
import type { AnyOp } from "../../op.ts";
import { bf16Decode, bf16Encode, f16Decode, f16Encode } from "../../ops/half-precision.ts";
import { elementCount } from "../../tensor.ts";
import { flatPass, storeVec4 } from "../emit/flat.ts";
import type { WebGpuKernel } from "../kernel.ts";

/** Eight elements, four words, an invocation. `encode_half` takes the bits of four floats to halves. */
function encodeKernel(name: string, op: AnyOp, encodeHalf: string): WebGpuKernel {
  return {
    name,
    op,
    accepts: () => true,
    build({ inputs, outputs }: KernelCall) {
      const [elements, words] = [elementCount(inputs[0]!), elementCount(outputs[0]!)];
      // Behind an odd length lies slack.
      const last = `select(words, words & vec4u(0xffffu), 4u * vec4u(i) + vec4u(0u, 1u, 2u, 3u) == vec4u(${words - 1}u))`;
      return {
        passes: [
          flatPass({
            count: Math.ceil(words / 4),
            bindings: {
              x: { of: { input: 0 }, type: "vec4u" },
              packed: { of: { output: 0 }, type: "vec4u" },
            },
            module: encodeHalf,
            body: `let a = $x[2u * i];
  let b = $x[2u * i + 1u];
  let low = encode_half(vec4u(a.xz, b.xz));
  let high = encode_half(vec4u(a.yw, b.yw));
  let words = low | (high << vec4u(16u));
  ${storeVec4("packed", elements % 2 === 1 ? last : "words", words)}`,
          }),
        ],
      };
    },
  };
}

/** Four elements an invocation. `decode_half` takes four halves to the bits of floats. */
function decodeKernel(name: string, op: AnyOp, decodeHalf: string): WebGpuKernel {
  return {
    name,
    op,
    accepts: () => true,
    build({ outputs }: KernelCall) {
      const elements = elementCount(outputs[0]!);
      return {
        passes: [
          flatPass({
            count: Math.ceil(elements / 4),
            bindings: {
              packed: { of: { input: 0 }, type: "vec2u" },
              x: { of: { output: 0 }, type: "vec4u" },
            },
            module: decodeHalf,
            body: `let words = $packed[i];
  let halves = vec4u(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u);
  ${storeVec4("x", "decode_half(halves)", elements)}`,
          }),
        ],
      };
    },
  };
}

const TO_BF16 = `fn encode_half(x: vec4u) -> vec4u {
  let rounded = (x + vec4u(0x7fffu) + ((x >> vec4u(16u)) & vec4u(1u))) >> vec4u(16u);
  return select(rounded, vec4u(0x7fc0u), (x & vec4u(0x7fffffffu)) > vec4u(0x7f800000u));
}
`;

const FROM_BF16 = `fn decode_half(half: vec4u) -> vec4u { return half << vec4u(16u); }
`;

const TO_F16 = `fn encode_half(x: vec4u) -> vec4u {
  let size = x & vec4u(0x7fffffffu);
  // From 2^-14 on: the exponent takes f16's bias, and a carry out of the digits raises it, up to infinity.
  let even = (size >> vec4u(13u)) & vec4u(1u);
  let normal = min((size + vec4u(0xfffu) + even - vec4u(112u << 23u)) >> vec4u(13u), vec4u(0x7c00u));
  // Below it: so many of the digits as are worth 2^-24, none of them from 2^-26 down.
  let digits = (size & vec4u(0x7fffffu)) | vec4u(0x800000u);
  let shift = vec4u(126u) - clamp(size >> vec4u(23u), vec4u(101u), vec4u(112u));
  let half = vec4u(1u) << (shift - vec4u(1u));
  let tie = (digits >> shift) & vec4u(1u);
  let tiny = size < vec4u(101u << 23u);
  let subnormal = select((digits + half - vec4u(1u) + tie) >> shift, vec4u(), tiny);
  var result = select(subnormal, normal, size >= vec4u(113u << 23u));
  result |= (x >> vec4u(16u)) & vec4u(0x8000u);
  return select(result, vec4u(0x7e00u), size > vec4u(0x7f800000u));
}
`;

const FROM_F16 = `fn decode_half(half: vec4u) -> vec4u {
  let digits = half & vec4u(0x3ffu);
  let exponent = (half >> vec4u(10u)) & vec4u(31u);
  let normal = ((exponent + vec4u(112u)) << vec4u(23u)) | (digits << vec4u(13u));
  // A subnormal half is a normal float: so many times 2^-24.
  let subnormal = bitcast<vec4u>(vec4f(digits) * ${2 ** -24});
  let special = select(vec4u(0x7fc00000u), vec4u(0x7f800000u), digits == vec4u());
  let size = select(select(normal, subnormal, exponent == vec4u()), special, exponent == vec4u(31u));
  return size | ((half & vec4u(0x8000u)) << vec4u(16u));
}
`;

export const halfPrecisionKernels: readonly WebGpuKernel[] = [
  encodeKernel("bf16-encode-webgpu", bf16Encode, TO_BF16),
  decodeKernel("bf16-decode-webgpu", bf16Decode, FROM_BF16),
  encodeKernel("f16-encode-webgpu", f16Encode, TO_F16),
  decodeKernel("f16-decode-webgpu", f16Decode, FROM_F16),
];
