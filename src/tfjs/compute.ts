// Computes what a rule has translated, on the tensors where they lie.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { elementCount, f32, i32 } from "../kernels/tensor.ts";
import { FLOAT_BYTES } from "../wasm/lanes.ts";
import type { Heap } from "./heap.ts";
import type { Computation, Unsupported } from "./kernel-rule.ts";
import type { Routines } from "./routines.ts";

/** Throws SltrainError "shape-mismatch" if the operands do not fit the op, "out-of-memory". */
export function compute(
  { op, params, operands, resultShape, runs = 1 }: Computation,
  heap: Heap,
  routines: Routines,
): TensorInfo | Unsupported {
  const other = operands.find(({ tensor, dtype = "float32" }) => tensor.dtype !== dtype);
  if (other !== undefined) return `dtype ${other.tensor.dtype}`;
  const types = operands.map(({ dtype, shape }) => (dtype === "int32" ? i32(...shape) : f32(...shape)));
  // No kernel is made for nothing. Where a rule gives the result's shape, it is of sums, and a sum of nothing is zero.
  if (types.some((type) => elementCount(type) === 0)) {
    if (resultShape === undefined) return "a tensor without elements";
    const zeros = heap.makeTensor(resultShape);
    heap.clear(heap.addressOf(zeros), elementCount(f32(...resultShape)) * FLOAT_BYTES);
    return zeros;
  }
  const routine = routines.find(op, types, params);
  if (routine === undefined) return `${op.name} of such shapes`;

  const workspace = heap.workspace(routine.workspaceBytes);
  const result = heap.makeTensor(resultShape ?? routine.outputShape);
  const output = heap.addressOf(result);
  const resultBytes = elementCount(f32(...routine.outputShape)) * FLOAT_BYTES;
  const partBytes = types.map((type) => elementCount(type) * FLOAT_BYTES);
  const copies: number[] = [];
  const inputs = operands.map(({ tensor, isCommon = false }, i) => {
    const address = heap.addressOf(tensor);
    const sizeBytes = partBytes[i]! * (isCommon ? 1 : runs);
    if (heap.hasSlack(address, sizeBytes)) return address;
    const copy = heap.allocate(sizeBytes);
    heap.copy(address, copy, sizeBytes);
    copies.push(copy);
    return copy;
  });
  const stepBytes = operands.map(({ isCommon = false }, i) => (isCommon ? 0 : partBytes[i]!));
  for (let run = 0; run < runs; run++)
    routine.run(
      inputs.map((address, i) => address + run * stepBytes[i]!),
      output + run * resultBytes,
      workspace,
    );
  for (const copy of copies) heap.free(copy);
  return result;
}
