// Attention at one position, head by head: scores with all earlier keys and one's own, their softmax, the weighted sum of
// values. Every key and value is read once: it takes what memory takes.

import type { KernelCall } from "../../kernel.ts";
import type { CausalAttentionParams } from "../../ops/causal-attention.ts";
import { cachedAttention, cachedAttentionExtents } from "../../ops/cached-attention.ts";
import { forRange, increase } from "../../../wasm/emitter.ts";
import { f32, f32x4, i32, v128, type Body } from "../../../wasm/instructions.ts";
import {
  FLOAT_BYTES,
  storeRow,
  sweep,
  SWEEP_FLOATS,
  VECTOR_BYTES,
  VECTOR_FLOATS,
} from "../../../wasm/lanes.ts";
import { rowSums, sumLanes } from "../../../wasm/rows.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";

export const cachedAttentionKernel: WasmKernel = {
  name: "f32-cached-attention-wasm",
  op: cachedAttention,
  accepts: () => true,
  emit(module, { inputs, params }: KernelCall<CausalAttentionParams>) {
    const extents = cachedAttentionExtents(inputs, params);
    const { batch, positions, width, heads, headWidth } = extents;
    const widthBytes = width * FLOAT_BYTES;
    const rowBytes = 3 * widthBytes;
    const names = ["begin", "end", "qkv", "past", "positions", "y", "scratch"] as const;
    const func = module.func(`cached-attention ${JSON.stringify(extents)}`, names, (p, f) => {
      const math = new VectorMath(f);
      const at = f.named("i32", [
        ...(["unit", "sample", "head", "own", "keys", "keysEnd", "row", "q", "k", "score"] as const),
        ...(["values", "valuesEnd", "ownValues", "y", "pass", "weight"] as const),
      ]);
      const { largest, score, total, weight } = f.named("v128", ["largest", "score", "total", "weight"]);
      const sums = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
      /** Appends the score with the key at `k`. */
      const appendScore = (): Body => [
        at.q.set(at.own),
        rowSums(f, headWidth, [at.q, at.k], [score], (offset) => ({
          terms: [f32x4.mul(v128.load(at.q, offset), v128.load(at.k, offset))],
        })),
        score.set(f32x4.mul(score, math.constant(1 / Math.sqrt(headWidth)))),
        f32.store(at.score, f32x4.extractLane(score, 0)),
        largest.set(f32x4.pmax(largest, score)),
        increase(at.score, FLOAT_BYTES),
      ];
      const body = forRange(at.unit, p.begin, p.end, 1, [
        at.sample.set(i32.divU(at.unit, heads)),
        at.head.set(i32.mul(i32.sub(at.unit, i32.mul(at.sample, heads)), headWidth * FLOAT_BYTES)),
        at.own.set(i32.add(p.qkv, i32.add(i32.mul(at.sample, rowBytes), at.head))),
        at.keys.set(
          i32.add(i32.add(p.past, widthBytes), i32.add(i32.mul(at.sample, positions * rowBytes), at.head)),
        ),
        at.keysEnd.set(i32.load(i32.add(p.positions, i32.mul(at.sample, FLOAT_BYTES)))),
        at.keysEnd.set(i32.select(i32.ltU(at.keysEnd, positions), at.keysEnd, positions)),
        at.keysEnd.set(i32.add(at.keys, i32.mul(at.keysEnd, rowBytes))),

        at.score.set(p.scratch),
        largest.set(math.constant(-Infinity)),
        forRange(at.row, at.keys, at.keysEnd, rowBytes, [at.k.set(at.row), appendScore()]),
        at.k.set(i32.add(at.own, widthBytes)),
        appendScore(),
        // What fills the last vector weighs nothing.
        v128.store(at.score, math.constant(-Infinity)),

        total.set(v128.zero),
        forRange(at.weight, p.scratch, at.score, VECTOR_BYTES, [
          math.exp(weight, f32x4.sub(v128.load(at.weight), largest)),
          v128.store(at.weight, weight),
          total.set(f32x4.add(total, weight)),
        ]),
        sumLanes(total),
        total.set(f32x4.div(math.constant(1), total)),

        at.values.set(i32.add(at.keys, widthBytes)),
        at.valuesEnd.set(i32.add(at.keysEnd, widthBytes)),
        at.ownValues.set(i32.add(at.own, 2 * widthBytes)),
        at.y.set(i32.add(p.y, i32.add(i32.mul(at.sample, widthBytes), at.head))),
        sweep(headWidth, at.pass, [at.values, at.valuesEnd, at.ownValues, at.y], (vectors) => {
          const addRow = (row: typeof at.row): Body => [
            weight.set(v128.load32Splat(at.weight)),
            vectors.map(({ offset }, j) =>
              sums[j]!.set(f32x4.add(sums[j]!, f32x4.mul(weight, v128.load(row, offset)))),
            ),
            increase(at.weight, FLOAT_BYTES),
          ];
          return [
            vectors.map((_, j) => sums[j]!.set(v128.zero)),
            at.weight.set(p.scratch),
            forRange(at.row, at.values, at.valuesEnd, rowBytes, addRow(at.row)),
            addRow(at.ownValues),
            vectors.map((_, j) => sums[j]!.set(f32x4.mul(sums[j]!, total))),
            storeRow(at.y, vectors, sums),
          ];
        }),
      ]);
      return [math.prologue(), body];
    });
    const scratchBytes = (positions + 1 + VECTOR_FLOATS) * FLOAT_BYTES;
    return singlePhase({ func, extent: batch * heads, grain: 1, scratchBytes });
  },
};
