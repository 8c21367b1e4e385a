// Kernel of causal self-attention: for each block of queries the scores, each row's softmax, and the weighted sum of values,
// whose rows are divided by the softmax's sums at last.

import type { KernelCall } from "../../kernel.ts";
import { attentionExtents, causalAttention, type CausalAttentionParams } from "../../ops/causal-attention.ts";
import { forRange, increase, type FunctionBuilder, type Local } from "../../../wasm/emitter.ts";
import { f32, f32x4, i32, v128, type Body, type I32 } from "../../../wasm/instructions.ts";
import { FLOAT_BYTES, storeRow, sweep, SWEEP_FLOATS, VECTOR_FLOATS } from "../../../wasm/lanes.ts";
import { maximumOfLanes, sumLanes } from "../../../wasm/rows.ts";
import { VectorMath } from "../../../wasm/vector-math.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { emitStridedProduct } from "../products/strided-product.ts";
import { suits, TILE_ROWS, TILE_SPILL_BYTES, type TileWidth } from "../products/tile.ts";
import {
  forBlocks,
  forHeads,
  headLayout,
  overScores,
  packKeys,
  scoreProduct,
  type HeadLayout,
} from "./head.ts";

/** The row of scores at `row` becomes exp(scale (score - largest)), 0 where the query sees nothing. */
function exponentials(
  f: FunctionBuilder,
  math: VectorMath,
  { scale }: HeadLayout,
  { row, end, position }: { readonly row: Local<"i32">; readonly end: I32; readonly position: I32 },
): { readonly body: Body; readonly largest: Local<"v128">; readonly sum: Local<"v128"> } {
  const at = f.local("i32");
  const { largest, sum } = f.named("v128", ["largest", "sum"]);
  const values = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
  const chains = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);
  const lowest = math.constant(-Infinity);
  const score = (offset: number) => v128.load(at, offset);
  const body = [
    at.set(row),
    largest.set(lowest),
    overScores(f, math, [at], end, position, (vectors, visible) =>
      vectors.map(({ offset }, j) =>
        largest.set(f32x4.pmax(largest, v128.bitselect(score(offset), lowest, visible(j)))),
      ),
    ),
    maximumOfLanes(largest),
    at.set(row),
    chains.map((chain) => chain.set(v128.zero)),
    overScores(f, math, [at], end, position, (vectors, visible) => [
      vectors.map(({ offset }, j) => [
        math.exp(values[j]!, f32x4.mul(f32x4.sub(score(offset), largest), math.constant(scale))),
        values[j]!.set(v128.and(values[j]!, visible(j))),
        chains[j]!.set(f32x4.add(chains[j]!, values[j]!)),
      ]),
      storeRow(at, vectors, values),
    ]),
    sum.set(f32x4.add(f32x4.add(chains[0]!, chains[1]!), f32x4.add(chains[2]!, chains[3]!))),
    sumLanes(sum),
  ];
  return { body, largest, sum };
}

export function causalAttentionKernel(tileWidth: TileWidth): WasmKernel {
  return {
    name: `f32-causal-attention-${TILE_ROWS}x${tileWidth}-wasm`,
    op: causalAttention,
    accepts: (_, target) => suits(tileWidth, target),
    emit(module, { inputs, params }: KernelCall<CausalAttentionParams>) {
      const layout = headLayout(attentionExtents(causalAttention.name, inputs[0]!, params), tileWidth);
      const { batch, heads, width, headWidth, blockQueries, scoreRow, qkvRow, yRow } = layout;
      const names = ["begin", "end", "qkv", "y", "logSumExp", "scratch"] as const;
      const scoresAt = layout.packedKeys;
      const sharesAt = scoresAt + blockQueries * scoreRow;
      const spillAt = sharesAt + Math.ceil(blockQueries / VECTOR_FLOATS) * VECTOR_FLOATS * FLOAT_BYTES;
      const func = module.func(`causal-attention ${JSON.stringify(layout)}`, names, (p, f) => {
        const math = new VectorMath(f);
        const at = f.named("i32", [
          ...(["q", "v", "y", "spill", "scores", "row", "share", "position", "end", "logSumExp"] as const),
          ...(["yAt", "yRow", "pass"] as const),
        ]);
        const share = f.local("v128");
        const logOfSum = f.local("v128");
        const values = f.locals("v128", SWEEP_FLOATS / VECTOR_FLOATS);

        const body = forHeads(f, layout, p, (head) => [
          at.q.set(i32.add(p.qkv, head.qkv)),
          at.v.set(i32.add(at.q, 2 * width * FLOAT_BYTES)),
          at.y.set(i32.add(p.y, head.y)),
          at.logSumExp.set(i32.add(p.logSumExp, head.rows)),
          at.scores.set(i32.add(p.scratch, scoresAt)),
          at.spill.set(i32.add(p.scratch, spillAt)),
          packKeys(module, layout, i32.add(at.q, width * FLOAT_BYTES), p.scratch),
          at.position.set(0),
          forBlocks(f, layout, ({ queries, seen, runLength, runs }) => {
            const row = { row: at.row, end: at.end, position: at.position };
            const softmax = exponentials(f, math, layout, row);
            const weightedSum = emitStridedProduct(
              module,
              {
                ...{ rows: queries, columns: headWidth, runLength, accumulate: false },
                ...{ aRow: scoreRow, aStep: FLOAT_BYTES, bStep: qkvRow, cRow: yRow },
              },
              tileWidth,
            );
            return [
              scoreProduct(module, f, layout, queries, seen, {
                ...{ rows: at.q, rowBytes: qkvRow, packed: p.scratch, scores: at.scores, spill: at.spill },
              }),
              at.share.set(i32.add(p.scratch, sharesAt)),
              forRange(at.row, at.scores, i32.add(at.scores, queries * scoreRow), scoreRow, [
                // Whole sweeps: the products read zeros up to the last key that the block sees.
                at.end.set(
                  i32.add(
                    at.row,
                    i32.mul(i32.shrU(i32.add(seen, SWEEP_FLOATS - 1), 4), SWEEP_FLOATS * FLOAT_BYTES),
                  ),
                ),
                softmax.body,
                share.set(f32x4.div(math.constant(1), softmax.sum)),
                f32.store(at.share, f32x4.extractLane(share, 0)),
                math.log(logOfSum, softmax.sum),
                share.set(f32x4.add(f32x4.mul(softmax.largest, math.constant(layout.scale)), logOfSum)),
                f32.store(at.logSumExp, f32x4.extractLane(share, 0)),
                [at.share, at.logSumExp].map((vector) => increase(vector, FLOAT_BYTES)),
                increase(at.position, 1),
              ]),
              weightedSum.call(at.scores, at.v, at.y, at.spill, runs),
              at.share.set(i32.add(p.scratch, sharesAt)),
              forRange(at.yRow, at.y, i32.add(at.y, queries * yRow), yRow, [
                share.set(v128.load32Splat(at.share)),
                at.yAt.set(at.yRow),
                sweep(headWidth, at.pass, [at.yAt], (vectors) => [
                  vectors.map(({ offset }, j) => values[j]!.set(f32x4.mul(v128.load(at.yAt, offset), share))),
                  storeRow(at.yAt, vectors, values),
                ]),
                increase(at.share, FLOAT_BYTES),
              ]),
              increase(at.q, queries * qkvRow),
              increase(at.y, queries * yRow),
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
