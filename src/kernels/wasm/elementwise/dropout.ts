// Kernel of `dropout`: Philox4x32-10 (see random.ts) in integer arithmetic, four blocks for sixteen elements, so that the
// mask equals every other device's bit for bit.

import type { KernelCall } from "../../kernel.ts";
import { dropout, DROPOUT_KEY, dropoutThreshold, type DropoutParams } from "../../ops/dropout.ts";
import { elementCount } from "../../tensor.ts";
import { forRange, increase } from "../../../wasm/emitter.ts";
import { f32x4, i32, i32x4, v128, type Body } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import {
  FLOAT_BYTES,
  storeRow,
  sweep,
  SWEEP_FLOATS,
  VECTOR_FLOATS,
  type Vector,
} from "../../../wasm/lanes.ts";
import { philoxBlocks } from "../../../wasm/philox.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";

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
      const math = new VectorMath(f);
      const { sample, pass } = f.named("i32", ["sample", "pass"]);
      const { number, kept } = f.named("v128", ["number", "kept"]);
      const values = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
      const counter = (index: number) => i32.load(p.counters, index * FLOAT_BYTES);
      const philox = philoxBlocks(f, counter(2), i32.const(DROPOUT_KEY));
      const [c0, c1, c2, c3] = philox.counters;
      const rest = math.constant(1 - params.rate);
      const threshold = math.integer(dropoutThreshold(params.rate));

      const some = (vectors: readonly Vector[]): Body => [
        c0.set(number),
        c1.set(i32x4.splat(counter(0))),
        c2.set(i32x4.splat(i32.add(counter(1), sample))),
        c3.set(i32x4.splat(params.layer)),
        philox.generate,
        number.set(i32x4.add(number, math.integer(VECTOR_FLOATS))),
        vectors.map(({ offset }, j) => [
          kept.set(i32x4.geS(i32x4.shrU(philox.blocks[j]!, 8), threshold)),
          values[j]!.set(v128.and(f32x4.div(v128.load(p.x, offset), rest), kept)),
        ]),
        storeRow(p.y, vectors, values),
      ];
      const main = [
        increase(p.x, i32.mul(p.begin, sampleBytes)),
        increase(p.y, i32.mul(p.begin, sampleBytes)),
        forRange(sample, p.begin, p.end, 1, [
          number.set(i32x4.const([0, 1, 2, 3])),
          sweep(sampleElements, pass, [p.x, p.y], some),
        ]),
      ];
      return [math.prologue(), main];
    });
    return singlePhase({ func, extent: samples, grain: 1 });
  },
};

export const dropoutKernels: readonly WasmKernel[] = [dropoutKernel];
