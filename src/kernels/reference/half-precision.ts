// Reference kernels of bf16 and f16: the value is rounded by arithmetic in float64, then written down in bits.

import type { ReferenceKernel } from "../kernel.ts";
import type { Op } from "../op.ts";
import type { NoParams } from "../ops/elementwise.ts";
import { bf16Decode, bf16Encode, f16Decode, f16Encode, type DecodeParams } from "../ops/half-precision.ts";
import { roundToEven } from "./round.ts";

interface Format {
  readonly exponentBits: number;
  readonly mantissaBits: number;
}

const BF16: Format = { exponentBits: 8, mantissaBits: 7 };
const F16: Format = { exponentBits: 5, mantissaBits: 10 };

function biasOf({ exponentBits }: Format): number {
  return 2 ** (exponentBits - 1) - 1;
}

function bitsOf(format: Format, value: number): number {
  const { exponentBits, mantissaBits } = format;
  const sign = (value < 0 || Object.is(value, -0) ? 1 : 0) << (exponentBits + mantissaBits);
  const infinity = (2 ** exponentBits - 1) << mantissaBits;
  if (Number.isNaN(value)) return infinity | (1 << (mantissaBits - 1));
  const size = Math.abs(value);
  if (size === Infinity) return sign | infinity;
  const bias = biasOf(format);
  // Subnormal numbers have the exponent of the smallest normal ones.
  const exponent = Math.max(1 - bias, Math.floor(Math.log2(size)));
  const digits = roundToEven(size * 2 ** (mantissaBits - exponent));
  // A normal number's leading digit adds the one that the exponent field lacks; a carry out of the digits does too.
  const magnitude = (exponent + bias - 1) * 2 ** mantissaBits + digits;
  return sign | Math.min(magnitude, infinity);
}

function valueOf(format: Format, bits: number): number {
  const { exponentBits, mantissaBits } = format;
  const sign = bits >> (exponentBits + mantissaBits) === 0 ? 1 : -1;
  const exponent = (bits >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = (bits & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
  if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : NaN;
  const scale = 2 ** (Math.max(1, exponent) - biasOf(format));
  return sign * scale * (mantissa + (exponent === 0 ? 0 : 1));
}

function encodeReference(op: Op<NoParams>, format: Format): ReferenceKernel<NoParams> {
  return {
    op,
    run(_, [x], [packed]) {
      for (let word = 0; word < packed!.length; word++) {
        const [low, high] = [2 * word, 2 * word + 1];
        const highBits = high < x!.length ? bitsOf(format, x![high]!) : 0;
        packed![word] = bitsOf(format, x![low]!) | (highBits << 16);
      }
    },
  };
}

function decodeReference(op: Op<DecodeParams>, format: Format): ReferenceKernel<DecodeParams> {
  return {
    op,
    run(_, [packed], [x]) {
      for (let i = 0; i < x!.length; i++)
        x![i] = valueOf(format, (packed![i >> 1]! >>> (16 * (i % 2))) & 0xffff);
    },
  };
}

export const bf16EncodeReference = encodeReference(bf16Encode, BF16);
export const bf16DecodeReference = decodeReference(bf16Decode, BF16);
export const f16EncodeReference = encodeReference(f16Encode, F16);
export const f16DecodeReference = decodeReference(f16Decode, F16);
