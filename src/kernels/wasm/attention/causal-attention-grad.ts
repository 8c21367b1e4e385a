// Kernel of causal self-attention's gradient. For each block of queries: probabilities and their gradients from two products
// with all keys that the block sees, then dq of the block and what it adds to dk and dv.

import type { KernelCall } from "../../kernel.ts";
import {
  attentionExtents,
  causalAttentionGrad,
  type CausalAttentionParams,
} from "../../ops/causal-attention.ts";
import { forRange, increase } from "../../../wasm/emitter.ts";
import { f32x4, i32, v128, type Body, type I32 } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, storeRow, SWEEP_FLOATS, VECTOR_FLOATS } from "../../../wasm/lanes.ts";
import { rowSums } from "../../../wasm/rows.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { emitStridedProduct } from "../products/strided-product.ts";
import { suits, TILE_ROWS, TILE_SPILL_BYTES, type TileWidth } from "../products/tile.ts";
import { forBlocks, forHeads, headLayout, overScores, packKeys, scoreProduct } from "./head.ts";

export function causalAttentionGradKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-causal-attention-grad-${TILE_ROWS}x${tileWidth}-wasm`,
    op: causalAttentionGrad,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, params }: KernelCall<CausalAttentionParams>) {
      const layout = headLayout(attentionExtents(causalAttentionGrad.name, inputs[0]!, params), tileWidth);
      const { batch, heads, width, headWidth, blockQueries, scoreRow, qkvRow, yRow, scale } = layout;
      const names = ["begin", "end", "qkv", "y", "logSumExp", "dy", "dqkv", "scratch"] as const;
      const partBytes = width * FLOAT_BYTES;
      const valuesAt = layout.packedKeys;
      const scoresAt = 2 * layout.packedKeys;
      const scoreBytes = blockQueries * scoreRow;
      const spillAt = scoresAt + 2 * scoreBytes;
      const func = module.func(`causal-attention-grad ${JSON.stringify(layout)}`, names, (p, f) => {
        const math = new VectorMath(f);
        const at = f.named("i32", [
          ...(["q", "k", "y", "dy", "dq", "dk", "rows", "spill"] as const),
          ...(["scores", "row", "end", "score", "slope", "position", "yAt", "dyAt"] as const),
          ...(["chunk", "p", "ds", "dkAt"] as const),
        ]);
        const { delta, logSumExp, probability } = f.named("v128", ["delta", "logSumExp", "probability"]);
        const probabilities = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
        const slopes = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);

        /** Of the query at `position`: scores become p, what lies `scoreBytes` behind them dy v becomes ds. */
        const differentiateRow: Body = [
          at.yAt.set(at.y),
          at.dyAt.set(at.dy),
          rowSums(f, headWidth, [at.yAt, at.dyAt], [delta], (offset) => ({
            terms: [f32x4.mul(v128.load(at.yAt, offset), v128.load(at.dyAt, offset))],
          })),
          logSumExp.set(v128.load32Splat(at.rows)),
          at.score.set(at.row),
          at.slope.set(i32.add(at.row, scoreBytes)),
          overScores(f, math, [at.score, at.slope], at.end, at.position, (vectors, visible) => [
            vectors.map(({ offset }, j) => {
              const score = f32x4.mul(v128.load(at.score, offset), math.constant(scale));
              const slope = f32x4.sub(v128.load(at.slope, offset), delta);
              return [
                math.exp(probability, f32x4.sub(score, logSumExp)),
                probabilities[j]!.set(v128.and(probability, visible(j))),
                slopes[j]!.set(f32x4.mul(f32x4.mul(probability, slope), math.constant(scale))),
                slopes[j]!.set(v128.and(slopes[j]!, visible(j))),
              ];
            }),
            storeRow(at.score, vectors, probabilities),
            storeRow(at.slope, vectors, slopes),
          ]),
        ];

        const body = forHeads(f, layout, p, (head) => [
          at.q.set(i32.add(p.qkv, head.qkv)),
          at.k.set(i32.add(at.q, partBytes)),
          at.y.set(i32.add(p.y, head.y)),
          at.dy.set(i32.add(p.dy, head.y)),
          at.dq.set(i32.add(p.dqkv, head.qkv)),
          at.dk.set(i32.add(at.dq, partBytes)),
          at.rows.set(i32.add(p.logSumExp, head.rows)),
          at.scores.set(i32.add(p.scratch, scoresAt)),
          at.spill.set(i32.add(p.scratch, spillAt)),
          packKeys(module, layout, at.k, p.scratch),
          packKeys(module, layout, i32.add(at.k, partBytes), i32.add(p.scratch, valuesAt)),
          at.position.set(0),
          forBlocks(f, layout, ({ queries, number, seen, runLength, runs }) => {
            /** dk (and dv, behind it) of `rows` keys, whose columns of p and ds begin at these addresses. */
            const addToKeys = (rows: number, accumulate: boolean): Body => {
              const product = (bStep: number) =>
                emitStridedProduct(
                  module,
                  {
                    ...{ rows, columns: headWidth, aRow: FLOAT_BYTES, aStep: scoreRow, bStep },
                    ...{ cRow: qkvRow, runLength: queries, accumulate },
                  },
                  tileWidth,
                );
              return [
                product(qkvRow).call(at.ds, at.q, at.dkAt, at.spill, 1),
                product(yRow).call(at.p, at.dy, i32.add(at.dkAt, partBytes), at.spill, 1),
              ];
            };
            const scores = (packed: I32, rows: typeof at.q, rowBytes: number, target: I32): Body =>
              scoreProduct(module, f, layout, queries, seen, {
                ...{ rows, rowBytes, packed, scores: target, spill: at.spill },
              });
            const weightedSum = emitStridedProduct(
              module,
              {
                ...{ rows: queries, columns: headWidth, aRow: scoreRow, aStep: FLOAT_BYTES },
                ...{ bStep: qkvRow, cRow: qkvRow, runLength, accumulate: false },
              },
              tileWidth,
            );
            return [
              scores(p.scratch, at.q, qkvRow, at.scores),
              scores(i32.add(p.scratch, valuesAt), at.dy, yRow, i32.add(at.scores, scoreBytes)),
              forRange(at.row, at.scores, i32.add(at.scores, queries * scoreRow), scoreRow, [
                at.end.set(
                  i32.add(
                    at.row,
                    i32.mul(i32.shrU(i32.add(seen, SWEEP_FLOATS - 1), 4), SWEEP_FLOATS * FLOAT_BYTES),
                  ),
                ),
                differentiateRow,
                increase(at.y, yRow),
                increase(at.dy, yRow),
                increase(at.rows, FLOAT_BYTES),
                increase(at.position, 1),
              ]),
              increase(at.dy, -queries * yRow),
              at.p.set(at.scores),
              at.ds.set(i32.add(at.scores, scoreBytes)),
              weightedSum.call(at.ds, at.k, at.dq, at.spill, runs),
              at.dkAt.set(at.dk),
              // The keys of earlier blocks have their sums begun; this block's own begin here.
              forRange(at.chunk, 0, number, 1, [
                addToKeys(blockQueries, true),
                [at.p, at.ds].map((scoresAt) => increase(scoresAt, blockQueries * FLOAT_BYTES)),
                increase(at.dkAt, blockQueries * qkvRow),
              ]),
              addToKeys(queries, false),
              [at.q, at.dq].map((rows) => increase(rows, queries * qkvRow)),
              increase(at.dy, queries * yRow),
            ];
          }),
        ]);
        return [math.prologue(), body];
      });
      return singlePhase({
        func,
        extent: batch * heads,
        grain: 1,
        scratchBytes: spillAt + TILE_SPILL_BYTES,
      });
    },
  };
}
