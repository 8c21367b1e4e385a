// Kernel of `dropout`: Philox4x32-10 (see random.ts) in integer arithmetic, one block for four elements, so that the
// mask equals every other device's bit for bit.

import type { KernelCall } from "../kernel.ts";
import { dropout, DROPOUT_KEY, dropoutThreshold, type DropoutParams } from "../ops/dropout.ts";
import { elementCount } from "../tensor.ts";
import { forRange, increase, repeat, type FunctionBuilder, type Local } from "./emitter.ts";
import { f32, f32x4, i32, i32x4, i64, v128, type Body, type I32 } from "./instructions.ts";
import { singlePhase, type WasmKernel } from "./kernel.ts";
import { FLOAT_BYTES, storeRow, VECTOR_BYTES, VECTOR_FLOATS, vectorsOf } from "./lanes.ts";

type Words = readonly [Local<"i32">, Local<"i32">, Local<"i32">, Local<"i32">];

/** words = the Philox block of the counter that they hold, under the key. */
function philox(f: FunctionBuilder, words: Words, key0: I32, key1: I32): Body {
  const { round, k0, k1 } = f.named("i32", ["round", "k0", "k1"]);
  const { product0, product1 } = f.named("i64", ["product0", "product1"]);
  const [c0, c1, c2, c3] = words;
  const product = (multiplier: bigint, word: I32) => i64.mul(i64.const(multiplier), i64.extendI32U(word));
  const high = (of: Local<"i64">) => i32.wrapI64(i64.shrU(of, i64.const(32n)));
  return [
    k0.set(i32.add(key0, 0)),
    k1.set(i32.add(key1, 0)),
    repeat(round, 10, [
      product0.set(product(0xd2511f53n, c0)),
      product1.set(product(0xcd9e8d57n, c2)),
      c0.set(i32.xor(i32.xor(high(product1), c1), k0)),
      c1.set(i32.wrapI64(product1)),
      c2.set(i32.xor(i32.xor(high(product0), c3), k1)),
      c3.set(i32.wrapI64(product0)),
      increase(k0, 0x9e3779b9),
      increase(k1, 0xbb67ae85),
    ]),
  ];
}

const dropoutKernel: WasmKernel = {
  name: "f32-dropout-philox-wasm",
  op: dropout,
  accepts: () => true,
  emit(module, { outputs, params }: KernelCall<DropoutParams>) {
    const samples = outputs[0]!.shape[0]!;
    const sampleElements = elementCount(outputs[0]!) / samples;
    const sampleBytes = sampleElements * FLOAT_BYTES;
    const names = ["begin", "end", "x", "counters", "y", "scratch"] as const;
    const key = `dropout ${sampleElements} ${params.rate} ${params.layer}`;
    const func = module.func(key, names, (p, f) => {
      const { sample, block } = f.named("i32", ["sample", "block"]);
      const { mask, kept, threshold } = f.named("v128", ["mask", "kept", "threshold"]);
      const words = f.locals("i32", 4) as unknown as Words;
      const counter = (index: number): I32 => i32.load(p.counters, index * FLOAT_BYTES);

      /** The next up to four elements of a sample. */
      const four = (elements: number): Body => [
        words[0].set(block),
        words[1].set(counter(0)),
        words[2].set(i32.add(counter(1), sample)),
        words[3].set(params.layer),
        philox(f, words, counter(2), DROPOUT_KEY),
        mask.set(i32x4.splat(words[0])),
        words.slice(1).map((word, i) => mask.set(i32x4.replaceLane(mask, i + 1, word))),
        mask.set(i32x4.geS(i32x4.shrU(mask, 8), threshold)),
        kept.set(f32x4.div(v128.load(p.x), f32x4.splat(f32.const(1 - params.rate)))),
        kept.set(v128.and(kept, mask)),
        storeRow(p.y, vectorsOf(elements), [kept]),
      ];
      const rest = sampleElements % VECTOR_FLOATS;
      return [
        threshold.set(i32x4.splat(dropoutThreshold(params.rate))),
        increase(p.x, i32.mul(p.begin, sampleBytes)),
        increase(p.y, i32.mul(p.begin, sampleBytes)),
        forRange(sample, p.begin, p.end, 1, [
          forRange(block, 0, Math.floor(sampleElements / VECTOR_FLOATS), 1, [
            four(VECTOR_FLOATS),
            increase(p.x, VECTOR_BYTES),
            increase(p.y, VECTOR_BYTES),
          ]),
          rest === 0
            ? []
            : [four(rest), increase(p.x, rest * FLOAT_BYTES), increase(p.y, rest * FLOAT_BYTES)],
        ]),
      ];
    });
    return singlePhase({ func, extent: samples, grain: 1 });
  },
};

export const dropoutKernels: readonly WasmKernel[] = [dropoutKernel];
