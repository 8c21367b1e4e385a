// Kernels of bf16 and f16, in integer arithmetic: WASM has no floats of 16 bits. f16's steps are those of M. Dukhan's
// FP16 library (as in XNNPACK's f32-f16-vcvt-wasmsimd): the hardware's own addition rounds, beside a number so large
// that the digits to drop fall off.

import type { KernelCall } from "../../kernel.ts";
import type { AnyOp } from "../../op.ts";
import { bf16Decode, bf16Encode, f16Decode, f16Encode } from "../../ops/half-precision.ts";
import { elementCount } from "../../tensor.ts";
import type { FunctionBuilder, Local } from "../../../wasm/emitter.ts";
import { f32x4, i16x8, i32x4, v128, type Body } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import {
  FLOAT_BYTES,
  storeRow,
  SWEEP_FLOATS,
  sweepStreams,
  VECTOR_BYTES,
  VECTOR_FLOATS,
  vectorsOf,
} from "../../../wasm/lanes.ts";
import { keepLanes } from "../../../wasm/rows.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";

const HALF_BYTES = 2;
/** f32's. */
const SIGN_BIT = -0x80000000;
const MANTISSA_BITS = 23;

/** result = four elements in another format. */
type Conversion = (
  math: VectorMath,
  f: FunctionBuilder,
  result: Local<"v128">,
  source: Local<"v128">,
) => Body;

function encodeKernel(name: string, op: AnyOp, convert: Conversion): WasmKernel {
  return {
    name,
    op,
    accepts: () => true,
    emit(module, { inputs }: KernelCall) {
      const extent = elementCount(inputs[0]!);
      const func = module.func(`${op.name} ${extent}`, ["begin", "end", "x", "packed", "scratch"], (p, f) => {
        const math = new VectorMath(f);
        const source = f.local("v128");
        const halves = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
        const packed = f.locals("v128", halves.length / 2);
        const streams = [
          { pointer: p.x, elementBytes: FLOAT_BYTES },
          { pointer: p.packed, elementBytes: HALF_BYTES },
        ];
        const main = sweepStreams(extent, p, f.local("i32"), streams, SWEEP_FLOATS, (elements) => [
          vectorsOf(elements).map(({ offset, lanes }, j) => [
            source.set(keepLanes(v128.load(p.x, offset), lanes, v128.zero)),
            convert(math, f, halves[j]!, source),
          ]),
          packed.map((word, i) => word.set(i16x8.narrowI32x4U(halves[2 * i]!, halves[2 * i + 1]!))),
          storeRow(p.packed, vectorsOf(Math.ceil(elements / 2)), packed),
        ]);
        return [math.prologue(), main];
      });
      return singlePhase({ func, extent, grain: SWEEP_FLOATS });
    },
  };
}

function decodeKernel(name: string, op: AnyOp, convert: Conversion): WasmKernel {
  return {
    name,
    op,
    accepts: () => true,
    emit(module, { outputs }: KernelCall) {
      const extent = elementCount(outputs[0]!);
      const func = module.func(`${op.name} ${extent}`, ["begin", "end", "packed", "x", "scratch"], (p, f) => {
        const math = new VectorMath(f);
        const { packed, half } = f.named("v128", ["packed", "half"]);
        const values = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
        const streams = [
          { pointer: p.packed, elementBytes: HALF_BYTES },
          { pointer: p.x, elementBytes: FLOAT_BYTES },
        ];
        const main = sweepStreams(extent, p, f.local("i32"), streams, SWEEP_FLOATS, (elements) => [
          vectorsOf(elements).map((_, j) => [
            j % 2 === 0 ? packed.set(v128.load(p.packed, (j / 2) * VECTOR_BYTES)) : [],
            half.set(j % 2 === 0 ? i32x4.extendLowI16x8U(packed) : i32x4.extendHighI16x8U(packed)),
            convert(math, f, values[j]!, half),
          ]),
          storeRow(p.x, vectorsOf(elements), values),
        ]);
        return [math.prologue(), main];
      });
      return singlePhase({ func, extent, grain: SWEEP_FLOATS });
    },
  };
}

const toBf16: Conversion = (math, _, result, x) => {
  const DROPPED_BITS = 16;
  const QUIET_NAN = 0x7fc0_0000;
  const lastKept = v128.and(i32x4.shrU(x, DROPPED_BITS), math.integer(1));
  const rounded = i32x4.add(i32x4.add(x, math.integer(0x7fff)), lastKept);
  return [
    result.set(v128.bitselect(math.integer(QUIET_NAN), rounded, f32x4.ne(x, x))),
    result.set(i32x4.shrU(result, DROPPED_BITS)),
  ];
};

const fromBf16: Conversion = (_, __, result, half) => result.set(i32x4.shl(half, 16));

const toF16: Conversion = (math, f, result, x) => {
  const { doubled, exponent } = f.named("v128", ["doubled", "exponent"]);
  const ALL_EXPONENT_BITS_DOUBLED = 0xff00_0000 | 0;
  const SMALLEST_NORMAL_DOUBLED = 0x7100_0000;
  const QUIET_NAN = 0x7e00;
  // Together a factor of 4; what is too large for f16 becomes infinite on the way.
  const scaled = f32x4.mul(f32x4.mul(f32x4.abs(x), math.constant(2 ** 112)), math.constant(2 ** -110));
  return [
    doubled.set(i32x4.add(x, x)),
    exponent.set(
      i32x4.maxU(
        v128.and(doubled, math.integer(ALL_EXPONENT_BITS_DOUBLED)),
        math.integer(SMALLEST_NORMAL_DOUBLED),
      ),
    ),
    // A power of two whose last bit is worth what f16's last bit is, at the exponent of x.
    result.set(i32x4.add(i32x4.shrU(exponent, 1), math.integer(15 << MANTISSA_BITS))),
    result.set(f32x4.add(result, scaled)),
    result.set(
      i32x4.add(
        v128.and(i32x4.shrU(result, 13), math.integer(0x7c00)),
        v128.and(result, math.integer(0xfff)),
      ),
    ),
    result.set(
      v128.bitselect(
        math.integer(QUIET_NAN),
        result,
        i32x4.gtU(doubled, math.integer(ALL_EXPONENT_BITS_DOUBLED)),
      ),
    ),
    result.set(v128.or(result, v128.and(i32x4.shrU(x, 16), math.integer(0x8000)))),
  ];
};

const fromF16: Conversion = (math, f, result, half) => {
  const { aligned, doubled } = f.named("v128", ["aligned", "doubled"]);
  const SMALLEST_NORMAL_DOUBLED = 1 << 27;
  const HALF = 126 << MANTISSA_BITS;
  // f32's largest exponent stands for what f16's largest one does; the factor takes the others back to their own.
  const normal = f32x4.mul(
    i32x4.add(i32x4.shrU(doubled, 4), math.integer(0xe0 << MANTISSA_BITS)),
    math.constant(2 ** -112),
  );
  const subnormal = f32x4.sub(v128.or(i32x4.shrU(doubled, 17), math.integer(HALF)), math.constant(0.5));
  return [
    aligned.set(i32x4.shl(half, 16)),
    doubled.set(i32x4.add(aligned, aligned)),
    result.set(v128.bitselect(subnormal, normal, i32x4.ltU(doubled, math.integer(SMALLEST_NORMAL_DOUBLED)))),
    result.set(v128.or(result, v128.and(aligned, math.integer(SIGN_BIT)))),
  ];
};

export const halfPrecisionKernels: readonly WasmKernel[] = [
  encodeKernel("bf16-encode-wasm", bf16Encode, toBf16),
  decodeKernel("bf16-decode-wasm", bf16Decode, fromBf16),
  encodeKernel("f16-encode-wasm", f16Encode, toF16),
  decodeKernel("f16-decode-wasm", f16Decode, fromF16),
];
