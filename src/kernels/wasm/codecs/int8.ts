// Kernels of int8: units are the blocks of elements that share a scale. Encoding reads a block twice, the second time
// from cache.

import type { KernelCall } from "../../kernel.ts";
import {
  ELEMENTS_PER_RANDOM_BLOCK,
  INT8_KEY,
  int8Decode,
  int8Encode,
  MINIMUM_SCALE,
  type Int8DecodeParams,
  type Int8EncodeParams,
} from "../../ops/int8.ts";
import { elementCount } from "../../tensor.ts";
import { forRange, type FunctionBuilder, type Local } from "../../../wasm/emitter.ts";
import {
  f32,
  f32x4,
  i16x8,
  i32,
  i32x4,
  i8x16,
  v128,
  type Body,
  type V128,
} from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import {
  FLOAT_BYTES,
  storeRow,
  SWEEP_FLOATS,
  sweepStreams,
  VECTOR_FLOATS,
  vectorsOf,
  type Slice,
} from "../../../wasm/lanes.ts";
import { philoxBlocks } from "../../../wasm/philox.ts";
import { acrossLanes, keepLanes } from "../../../wasm/rows.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";

/** Elements that one round of encoding covers: four Philox blocks. */
const PASS_ELEMENTS = 4 * ELEMENTS_PER_RANDOM_BLOCK;

/** Runs `body` for each block of a slice, with the range of its elements. */
function forBlocks(
  f: FunctionBuilder,
  blocks: Slice,
  elements: number,
  blockElements: number,
  body: (block: Local<"i32">, range: Slice) => Body,
): Body {
  const { block, begin, end } = f.named("i32", ["block", "begin", "end"]);
  return forRange(block, blocks.begin, blocks.end, 1, [
    begin.set(i32.mul(block, blockElements)),
    end.set(i32.add(begin, blockElements)),
    end.set(i32.select(i32.ltU(end, elements), end, elements)),
    body(block, { begin, end }),
  ]);
}

/** How quotients become integers. */
interface Rounding {
  /** Runs before a block. */
  readonly start: (range: Slice) => Body;
  /** Runs before each pass. */
  readonly prepare: Body;
  /** quotient = it as an integer; it is that of vector j of the pass. */
  readonly round: (quotient: Local<"v128">, j: number) => Body;
}

function nearest(math: VectorMath): Rounding {
  return {
    start: () => [],
    prepare: [],
    round: (quotient) => quotient.set(math.nearestInteger(quotient)),
  };
}

function stochastic(f: FunctionBuilder, math: VectorMath, counters: Local<"i32">): Rounding {
  const counter = (index: number) => i32.load(counters, index * FLOAT_BYTES);
  const { number, halves, below, threshold } = f.named("v128", ["number", "halves", "below", "threshold"]);
  const philox = philoxBlocks(f, counter(2), i32.const(INT8_KEY));
  const [c0, c1, c2, c3] = philox.counters;
  return {
    start: ({ begin }) => [
      number.set(i32x4.splat(i32.shrU(begin, Math.log2(ELEMENTS_PER_RANDOM_BLOCK)))),
      number.set(i32x4.add(number, i32x4.const([0, 1, 2, 3]))),
    ],
    prepare: [
      c0.set(number),
      c1.set(i32x4.splat(counter(0))),
      c2.set(i32x4.splat(counter(1))),
      c3.set(i32x4.splat(counter(3))),
      philox.generate,
      number.set(i32x4.add(number, math.integer(4))),
    ],
    round(quotient, j) {
      const half = j % 2 === 0 ? i32x4.extendLowI16x8U(halves) : i32x4.extendHighI16x8U(halves);
      return [
        j % 2 === 0 ? halves.set(philox.blocks[j / 2]!) : [],
        threshold.set(f32x4.add(f32x4.convertI32x4S(half), math.constant(0.5))),
        below.set(f32x4.floor(quotient)),
        threshold.set(f32x4.lt(threshold, f32x4.mul(f32x4.sub(quotient, below), math.constant(0x10000)))),
        // A mask is -1 as an integer.
        quotient.set(i32x4.sub(math.nearestInteger(below), threshold)),
      ];
    },
  };
}

const encodeKernel: WasmKernel = {
  name: "int8-encode-wasm",
  op: int8Encode,
  accepts: () => true,
  emit(module, { inputs, outputs, params: { blockElements, rounding } }: KernelCall<Int8EncodeParams>) {
    const elements = elementCount(inputs[0]!);
    const length = Math.min(blockElements, elements);
    const counters = rounding === "stochastic" ? ["counters"] : [];
    const names: readonly string[] = ["begin", "end", "x", ...counters, "packed", "scales", "scratch"];
    const func = module.func(`int8-encode ${elements} ${length} ${rounding}`, names, (parameters, f) => {
      const p = parameters as Readonly<Record<string, Local<"i32">>> & Slice;
      const math = new VectorMath(f);
      const { from, to, remaining } = f.named("i32", ["from", "to", "remaining"]);
      const { largest, scale } = f.named("v128", ["largest", "scale"]);
      const values = f.locals("v128", PASS_ELEMENTS / VECTOR_FLOATS);
      const bytes = f.locals("v128", values.length / 4);
      const source = { pointer: from, elementBytes: FLOAT_BYTES };
      const target = { pointer: to, elementBytes: 1 };
      const load = (offset: number, lanes: number): V128 =>
        keepLanes(v128.load(from, offset), lanes, v128.zero);
      const { start, prepare, round } =
        rounding === "stochastic" ? stochastic(f, math, p["counters"]!) : nearest(math);
      const limit = math.constant(127);

      const findScale = (range: Slice): Body => [
        from.set(p["x"]!),
        largest.set(v128.zero),
        sweepStreams(elements, range, remaining, [source], PASS_ELEMENTS, (count) =>
          // Magnitudes compare as integers, NaNs above all.
          vectorsOf(count).map(({ offset, lanes }) =>
            largest.set(i32x4.maxU(largest, f32x4.abs(load(offset, lanes)))),
          ),
        ),
        acrossLanes(largest, i32x4.maxU),
        scale.set(f32x4.pmax(f32x4.div(largest, limit), math.constant(MINIMUM_SCALE))),
      ];
      const encode = (range: Slice): Body => [
        from.set(p["x"]!),
        to.set(p["packed"]!),
        start(range),
        sweepStreams(elements, range, remaining, [source, target], PASS_ELEMENTS, (count) => [
          prepare,
          vectorsOf(count).map(({ offset, lanes }, j) => {
            const value = values[j]!;
            return [
              value.set(f32x4.div(load(offset, lanes), scale)),
              value.set(f32x4.pmax(f32x4.pmin(value, limit), f32x4.neg(limit))),
              round(value, j),
            ];
          }),
          bytes.map((sixteen, i) => {
            const eight = (j: number) => i16x8.narrowI32x4S(values[j]!, values[j + 1]!);
            return sixteen.set(i8x16.narrowI16x8S(eight(4 * i), eight(4 * i + 2)));
          }),
          storeRow(to, vectorsOf(Math.ceil(count / 4)), bytes),
        ]),
      ];
      const main = forBlocks(f, p, elements, length, (block, range) => [
        findScale(range),
        f32.store(i32.add(p["scales"]!, i32.mul(block, FLOAT_BYTES)), f32x4.extractLane(scale, 0)),
        encode(range),
      ]);
      return [math.prologue(), main];
    });
    return singlePhase({ func, extent: elementCount(outputs[1]!), grain: 1 });
  },
};

const decodeKernel: WasmKernel = {
  name: "int8-decode-wasm",
  op: int8Decode,
  accepts: () => true,
  emit(module, { inputs, params }: KernelCall<Int8DecodeParams>) {
    const elements = params.length;
    const length = Math.min(params.blockElements, elements);
    const names = ["begin", "end", "packed", "scales", "x", "scratch"] as const;
    const func = module.func(`int8-decode ${elements} ${length}`, names, (p, f) => {
      const { from, to, remaining } = f.named("i32", ["from", "to", "remaining"]);
      const { scale, bytes, halves } = f.named("v128", ["scale", "bytes", "halves"]);
      const values = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
      const streams = [
        { pointer: from, elementBytes: 1 },
        { pointer: to, elementBytes: FLOAT_BYTES },
      ];
      return forBlocks(f, p, elements, length, (block, range) => [
        from.set(p.packed),
        to.set(p.x),
        scale.set(v128.load32Splat(i32.add(p.scales, i32.mul(block, FLOAT_BYTES)))),
        sweepStreams(elements, range, remaining, streams, SWEEP_FLOATS, (count) => [
          bytes.set(v128.load(from)),
          vectorsOf(count).map((_, j) => [
            j === 0 ? halves.set(i16x8.extendLowI8x16S(bytes)) : [],
            j === 2 ? halves.set(i16x8.extendHighI8x16S(bytes)) : [],
            values[j]!.set(j % 2 === 0 ? i32x4.extendLowI16x8S(halves) : i32x4.extendHighI16x8S(halves)),
            values[j]!.set(f32x4.mul(f32x4.convertI32x4S(values[j]!), scale)),
          ]),
          storeRow(to, vectorsOf(count), values),
        ]),
      ]);
    });
    return singlePhase({ func, extent: elementCount(inputs[1]!), grain: 1 });
  },
};

export const int8Kernels: readonly WasmKernel[] = [encodeKernel, decodeKernel];
