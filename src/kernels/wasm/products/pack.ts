// Packing: rearranges an operand so that the micro-kernel reads it front to back.

import {
  forRange,
  increase,
  whileLoop,
  type FunctionBuilder,
  type FunctionRef,
  type Local,
  type ModuleBuilder,
} from "../../../wasm/emitter.ts";
import { i32, v128, type Body } from "../../../wasm/instructions.ts";
import { VECTOR_BYTES, VECTOR_FLOATS, vectorsOf } from "../../../wasm/lanes.ts";
import { packedStep } from "./panels.ts";
import { transpose4x4 } from "../../../wasm/transpose.ts";

/** How an operand lies in memory. Strides in bytes. */
export interface PackSource {
  /** A row holds one panel column's whole reduction; otherwise it holds all columns of one step. */
  readonly transposed: boolean;
  readonly rowBytes: number;
}

/**
 * A function (source, target) that packs `width` columns of `steps` steps: target[k][0..width) = source's, each step
 * padded to whole vectors with whatever is there.
 */
export function emitPack(
  module: ModuleBuilder,
  width: number,
  steps: number,
  source: PackSource,
): FunctionRef {
  const { transposed, rowBytes } = source;
  const key = `pack ${width} ${steps} ${transposed} ${rowBytes}`;
  return module.func(key, ["source", "target"], (p, f) =>
    transposed
      ? transpose(f, p.source, rowBytes, p.target, packedStep(width), width, steps)
      : copyRows(f, p.source, rowBytes, p.target, packedStep(width), steps),
  );
}

function copyRows(
  f: FunctionBuilder,
  source: Local<"i32">,
  sourceRowBytes: number,
  target: Local<"i32">,
  targetRowBytes: number,
  rows: number,
): Body {
  const row = f.local("i32");
  const values = f.locals("v128", targetRowBytes / VECTOR_BYTES);
  return forRange(row, 0, rows, 1, [
    values.map((value, j) => value.set(v128.load(source, j * VECTOR_BYTES))),
    values.map((value, j) => v128.store(target, value, j * VECTOR_BYTES)).reverse(),
    increase(source, sourceRowBytes),
    increase(target, targetRowBytes),
  ]);
}

/**
 * target[k][i] = source[i][k] for i < rows, k < steps, in blocks of 4 x 4. Rows that the last block lacks repeat its
 * last one: nobody looks at their lanes.
 */
function transpose(
  f: FunctionBuilder,
  source: Local<"i32">,
  sourceRowBytes: number,
  target: Local<"i32">,
  targetRowBytes: number,
  rows: number,
  steps: number,
): Body {
  const square = transpose4x4(f);
  const from = f.local("i32");
  const to = f.local("i32");
  const end = f.local("i32");
  const block = (lanes: number, stepCount: number): Body => [
    square.rows.map((row, i) => row.set(v128.load(from, Math.min(i, lanes - 1) * sourceRowBytes))),
    square.interleave,
    square.columns.slice(0, stepCount).map((value, k) => v128.store(to, value, k * targetRowBytes)),
  ];
  const restSteps = steps % VECTOR_FLOATS;
  const wholeBytes = (steps - restSteps) * 4;
  return vectorsOf(rows).map(({ offset, lanes }, group) => [
    from.set(i32.add(source, group * VECTOR_FLOATS * sourceRowBytes)),
    to.set(i32.add(target, offset)),
    end.set(i32.add(from, wholeBytes)),
    whileLoop(i32.ltU(from, end), [
      block(lanes, VECTOR_FLOATS),
      increase(from, VECTOR_BYTES),
      increase(to, VECTOR_FLOATS * targetRowBytes),
    ]),
    restSteps === 0 ? [] : block(lanes, restSteps),
  ]);
}
