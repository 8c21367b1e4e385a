// The numbers that a case is benched with: any, but such as its op can take.

import type { OpName } from "../../src/kernels/ops/index.ts";
import { elementCount, type TensorType } from "../../src/kernels/tensor.ts";
import { RandomStream } from "../../src/random.ts";
import type { KernelCase } from "./cases.ts";
import { fittingOperands, type Operand } from "./fitting-operands.ts";

/** So many different ones, over and over: a large tensor is filled in no time. A prime, so that rows differ. */
const DIFFERENT = 65_521;
/** From tensor to tensor. */
const STRIDE = 7_919;

const stream = new RandomStream(1, "bench");
const normals = Float32Array.from({ length: DIFFERENT }, () => stream.nextNormal());

export function operandsOf({ op, call }: KernelCase): readonly Operand[] {
  const random = new RandomStream(1, `bench:${op.name}`);
  let start = 0;
  const normal = (type: TensorType): Float32Array => {
    const values = new Float32Array(elementCount(type));
    let from = (start += STRIDE) % DIFFERENT;
    for (let next = 0; next < values.length; from = 0) {
      const run = normals.subarray(from, from + values.length - next);
      values.set(run, next);
      next += run.length;
    }
    return values;
  };
  return fittingOperands[op.name as OpName]?.(call, normal, random) ?? call.inputs.map(normal);
}
