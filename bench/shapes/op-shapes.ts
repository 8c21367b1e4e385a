// Calls that are benched besides those of the built-in models: square products, and operands far beyond the caches,
// where a kernel can do no better than memory does.

import type { KernelCall } from "../../src/kernels/kernel.ts";
import type { AnyOp } from "../../src/kernels/op.ts";
import { ops, type OpName, type ParamsOf } from "../../src/kernels/ops/index.ts";
import { f32, i32, type TensorType } from "../../src/kernels/tensor.ts";

export interface OpShape {
  readonly op: OpName;
  readonly inputs: readonly TensorType[];
  readonly params: object;
  /** Stands where a row of a model names the model. */
  readonly use: string;
}

function* opShapes(): Generator<OpShape> {
  const shape = <N extends OpName>(
    use: string,
    op: N,
    inputs: readonly TensorType[],
    params: ParamsOf<N>,
  ): OpShape => ({ op, inputs, params, use });

  for (const extent of [512, 1024]) {
    const matrix = f32(extent, extent);
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const)
      yield shape("square", "matmul", [matrix, matrix], { transposeA, transposeB });
  }

  const large = f32(32, 112, 112, 64); // 103 MB
  const channels = f32(64);
  const window = { poolSize: [2, 2], strides: [2, 2], padding: "valid" } as const;
  const images = f32(16, 112, 112, 64); // a window's maxima are looked for in plain TypeScript first
  const pooled = f32(16, 56, 56, 64);
  for (const op of ["relu", "tanh", "sigmoid"] as const) yield shape("memory", op, [large], {});
  for (const op of ["add", "relu-grad"] as const) yield shape("memory", op, [large, large], {});
  yield shape("memory", "bias-add", [large, channels], {});
  yield shape("memory", "column-sum", [large], {});
  yield shape("memory", "max-pool", [images], window);
  yield shape("memory", "max-pool-grad", [images, pooled, pooled], window);
  yield shape("memory", "avg-pool", [images], window);
  yield shape("memory", "batch-norm", [large, channels, channels], { epsilon: 1e-3, activation: "relu" });
  yield shape("memory", "dropout", [pooled, i32(4)], { rate: 0.5, layer: 1 });
  yield shape("memory", "softmax", [f32(25_088, 1024)], {});
  const flat = f32(16 * 2 ** 20); // 67 MB
  yield shape("memory", "sgd-update", [flat, flat, f32(8)], {});
  yield shape("memory", "momentum-update", [flat, flat, flat, f32(8)], { nesterov: false });
  yield shape("memory", "adam-update", [flat, flat, flat, flat, f32(8)], {});
}

export const extraShapes: readonly OpShape[] = [...opShapes()];

/** Outputs by the op's own shape rule. */
export function callOf({ op: name, inputs, params }: OpShape): KernelCall {
  const op: AnyOp = ops[name];
  return { inputs, outputs: op.infer(inputs, params), params };
}
