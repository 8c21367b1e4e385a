// Kernels of embedding and its gradient. Units are ids forward, and columns of the table backward: each slice adds all
// rows of dy in their order.

import type { KernelCall } from "../../kernel.ts";
import { embedding, embeddingGrad } from "../../ops/embedding.ts";
import { elementCount } from "../../tensor.ts";
import { forRange, increase, repeat, when } from "../../../wasm/emitter.ts";
import { f32, f32x4, i32, v128 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, sweep, SWEEP_FLOATS, sweepSlice } from "../../../wasm/lanes.ts";

const embeddingKernel: WasmKernel = {
  name: "f32-embedding-wasm",
  op: embedding,
  accepts: () => true,
  emit(module, { inputs }: KernelCall) {
    const [vocabulary, columns] = inputs[1]!.shape as [number, number];
    const rowBytes = columns * FLOAT_BYTES;
    const names = ["begin", "end", "ids", "table", "y", "scratch"] as const;
    const func = module.func(`embedding ${vocabulary}x${columns}`, names, (p, f) => {
      const { index, id, pass, source } = f.named("i32", ["index", "id", "pass", "source"]);
      const values = f.locals("v128", SWEEP_FLOATS / 4);
      const nan = f32x4.splat(f32.const(NaN));
      return [
        increase(p.ids, i32.mul(p.begin, FLOAT_BYTES)),
        increase(p.y, i32.mul(p.begin, rowBytes)),
        forRange(index, p.begin, p.end, 1, [
          id.set(i32.load(p.ids)),
          when(
            i32.ltU(id, vocabulary),
            [
              source.set(i32.add(p.table, i32.mul(id, rowBytes))),
              sweep(columns, pass, [source, p.y], (vectors) => [
                vectors.map(({ offset }, j) => values[j]!.set(v128.load(source, offset))),
                storeRow(p.y, vectors, values),
              ]),
            ],
            [
              values.map((value) => value.set(nan)),
              sweep(columns, pass, [p.y], (vectors) => storeRow(p.y, vectors, values)),
            ],
          ),
          increase(p.ids, FLOAT_BYTES),
        ]),
      ];
    });
    return singlePhase({ func, extent: elementCount(inputs[0]!), grain: 1 });
  },
};

const embeddingGradKernel: WasmKernel = {
  name: "f32-embedding-grad-wasm",
  op: embeddingGrad,
  accepts: () => true,
  emit(module, { inputs, outputs }: KernelCall) {
    const [vocabulary, columns] = outputs[0]!.shape as [number, number];
    const count = elementCount(inputs[0]!);
    const rowBytes = columns * FLOAT_BYTES;
    const names = ["begin", "end", "ids", "dy", "dtable", "scratch"] as const;
    const key = `embedding-grad ${count} ${vocabulary}x${columns}`;
    const func = module.func(key, names, (p, f) => {
      const { remaining, row, id, from, to } = f.named("i32", ["remaining", "row", "id", "from", "to"]);
      const values = f.locals("v128", SWEEP_FLOATS / 4);
      return sweepSlice(columns, p, remaining, [p.dy, p.dtable], (vectors) => [
        values.map((value) => value.set(v128.zero)),
        to.set(p.dtable),
        repeat(row, vocabulary, [storeRow(to, vectors, values), increase(to, rowBytes)]),
        from.set(p.dy),
        forRange(row, p.ids, i32.add(p.ids, count * FLOAT_BYTES), FLOAT_BYTES, [
          id.set(i32.load(row)),
          when(i32.ltU(id, vocabulary), [
            to.set(i32.add(p.dtable, i32.mul(id, rowBytes))),
            vectors.map(({ offset }, j) =>
              values[j]!.set(f32x4.add(v128.load(to, offset), v128.load(from, offset))),
            ),
            storeRow(to, vectors, values),
          ]),
          increase(from, rowBytes),
        ]),
      ]);
    });
    return singlePhase({ func, extent: columns, grain: SWEEP_FLOATS });
  },
};

export const embeddingKernels: readonly WasmKernel[] = [embeddingKernel, embeddingGradKernel];
