// Computes what a rule has translated, on the tensors where they lie.

import type { TensorInfo } from "@tensorflow/tfjs-core";
import { elementCount, f32, i32 } from "../kernels/tensor.ts";
import { FLOAT_BYTES } from "../kernels/wasm/lanes.ts";
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
  const resultElements = resultShape.reduce((product, extent) => product * extent, 1);
  // No kernel is made for nothing. Every op here is a sum of products, and that of nothing is zero.
  if (resultElements === 0 || types.some((type) => elementCount(type) === 0)) {
    const zeros = heap.makeTensor(resultShape);
    heap.clear(heap.addressOf(zeros), resultElements * FLOAT_BYTES);
    return zeros;
  }
  const routine = routines.find(op, types, params);
  if (routine === undefined) return `${op.name} of such shapes`;

  const result = heap.makeTensor(resultShape);
  const output = heap.addressOf(result);
  const workspace = heap.workspace(routine.workspaceBytes);
  const resultBytes = (resultElements / runs) * FLOAT_BYTES;
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
