// Joining tensors along their last axis, as DenseNet and Inception do with channels, and cutting them apart again.

import type { Op } from "../op.ts";
import { elementCount, f32, type TensorType } from "../tensor.ts";
import type { NoParams } from "./elementwise.ts";
import { fill } from "./fill.ts";
import { bindShapes, shapeMismatch } from "./shapes.ts";

export interface SliceParams {
  /** Of the last axis: [begin, end). */
  readonly begin: number;
  readonly end: number;
}

export function columnsOf(type: TensorType): number {
  return type.shape.at(-1)!;
}

/** (x0[...,C0], x1[...,C1], ...) -> [..., C0 + C1 + ...] */
export const concat: Op<NoParams> = {
  name: "concat",
  infer(inputs) {
    const signature = Object.fromEntries(inputs.map((_, i) => [`x${i}`, `... C${i}`]));
    bindShapes("concat", inputs, inputs.length > 0 ? signature : { x0: "... C0" });
    const total = inputs.reduce((sum, type) => sum + columnsOf(type), 0);
    return [f32(...inputs[0]!.shape.slice(0, -1), total)];
  },
  flops: () => 0,
  vjp: ({ inputs, outputGrads, needs, add }) => {
    let end = 0;
    return inputs.map(({ type }, i) => {
      const begin = end;
      end += columnsOf(type);
      return needs(i) ? add(slice, [outputGrads[0]!], { begin, end })[0] : undefined;
    });
  },
};

/** x[...,C] -> x[..., begin:end] */
export const slice: Op<SliceParams> = {
  name: "slice",
  infer(inputs, { begin, end }) {
    const { C } = bindShapes("slice", inputs, { x: "... C" });
    if (!(Number.isInteger(begin) && Number.isInteger(end) && 0 <= begin && begin < end && end <= C))
      throw shapeMismatch(`slice: [${begin}, ${end}) but expected a stretch of x's last axis, [0, ${C})`);
    return [f32(...inputs[0]!.shape.slice(0, -1), end - begin)];
  },
  flops: () => 0,
  vjp: ({ inputs, outputGrads, params: { begin, end }, add }) => {
    const { shape } = inputs[0]!.type;
    const zeros = (columns: number) =>
      columns === 0 ? [] : add(fill, [], { shape: [...shape.slice(0, -1), columns], value: 0 });
    const parts = [...zeros(begin), outputGrads[0]!, ...zeros(columnsOf(inputs[0]!.type) - end)];
    return add(concat, parts, {});
  },
};

/** Rows of a tensor: what all its axes but the last count. */
export function rowsOf(type: TensorType): number {
  return elementCount(type) / columnsOf(type);
}
