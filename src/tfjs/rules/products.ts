// Products of matrices and of stacks of them, transposed or not, with bias and activation or without.

import { broadcast_util, type _FusedMatMulAttrs, type BatchMatMulAttrs } from "@tensorflow/tfjs-core";
import { dense, matmul } from "../../kernels/ops/matmul.ts";
import type {
  Computation,
  AnyKernelRule,
  KernelRule,
  Operand,
  Tensors,
  Unsupported,
} from "../kernel-rule.ts";
import { epilogueOf } from "./epilogue.ts";

function countOf(batch: readonly number[]): number {
  return batch.reduce((product, extent) => product * extent, 1);
}

/** One product if b is one matrix, for then a's matrices are rows of one; else a run for each pair of matrices. */
function product(
  { a, b }: Tensors<"a" | "b">,
  { transposeA, transposeB }: BatchMatMulAttrs,
): Computation | Unsupported {
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
  const [aBatch, bBatch] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = broadcast_util.assertAndGetBroadcastShape(aBatch, bBatch);
  const result = [transposeA ? aColumns : aRows, transposeB ? bRows : bColumns];
  const computation = { op: matmul, params: { transposeA, transposeB }, resultShape: [...batch, ...result] };
  if (!transposeA && countOf(bBatch) === 1) {
    const rows: Operand = { tensor: a, shape: [countOf(aBatch) * aRows, aColumns] };
    return { ...computation, operands: [rows, { tensor: b, shape: [bRows, bColumns] }] };
  }
  const runs = countOf(batch);
  if ([aBatch, bBatch].some((own) => countOf(own) !== 1 && countOf(own) !== runs))
    return `batches [${aBatch.join(", ")}] and [${bBatch.join(", ")}]`;
  const operands: Operand[] = [
    { tensor: a, shape: [aRows, aColumns], isCommon: countOf(aBatch) < runs },
    { tensor: b, shape: [bRows, bColumns], isCommon: countOf(bBatch) < runs },
  ];
  return { ...computation, operands, runs };
}

const batchMatMul: KernelRule<Tensors<"a" | "b">, BatchMatMulAttrs> = {
  kernelName: "BatchMatMul",
  translate: product,
};

const fusedMatMul: KernelRule<Tensors<"a" | "b", "bias" | "preluActivationWeights">, _FusedMatMulAttrs> = {
  kernelName: "_FusedMatMul",
  translate(inputs, attrs) {
    const epilogue = epilogueOf(inputs, attrs);
    if (typeof epilogue === "string") return epilogue;
    const plain = product(inputs, attrs);
    const { bias, activation } = epilogue;
    if (typeof plain === "string" || (bias.length === 0 && activation === "none")) return plain;
    if (plain.runs !== undefined || attrs.transposeB) return "a bias or an activation after such a product";
    const [x, w] = plain.operands;
    const biases = bias.map((tensor) => ({ tensor, shape: tensor.shape }));
    return { ...plain, op: dense, params: { activation }, operands: [x!, w!, ...biases] };
  },
};

export const productRules: readonly AnyKernelRule[] = [batchMatMul, fusedMatMul];
