// What normalises the columns of a tile, forward and backward: multiply, then add, so that both give the same bits.

import type { KernelCall } from "../../kernel.ts";
import { elementCount } from "../../tensor.ts";
import { rowGroups, type RowGroups } from "../emit/column-sums.ts";
import type { FunctionBuilder } from "../../../wasm/emitter.ts";
import { f32x4, type Body, type V128 } from "../../../wasm/instructions.ts";
import type { Load, Operands } from "../emit/row-blocks.ts";

const { add, sub, mul } = f32x4;

/** The rows of x, in groups; gamma is the second operand. */
export function groupsOf({ inputs }: KernelCall): RowGroups {
  const columns = inputs[1]!.shape[0]!;
  return rowGroups(elementCount(inputs[0]!) / columns, columns);
}

/** What normalises a tile's columns. */
export function affine(f: FunctionBuilder, p: Operands<"gamma" | "beta" | "mean" | "rstd">) {
  const [means, scales, betas] = [f.locals("v128", 2), f.locals("v128", 2), f.locals("v128", 2)];
  return {
    vectors: [p.gamma, p.beta, p.mean, p.rstd],
    columns: (load: Load, j: number): Body => [
      means[j]!.set(load(p.mean)),
      scales[j]!.set(mul(load(p.gamma), load(p.rstd))),
      betas[j]!.set(load(p.beta)),
    ],
    /** gamma rstd */
    scales,
    centred: (x: V128, j: number): V128 => sub(x, means[j]!),
    /** Of what `centred` gave: the value before the activation. */
    result: (centred: V128, j: number): V128 => add(mul(centred, scales[j]!), betas[j]!),
  };
}
