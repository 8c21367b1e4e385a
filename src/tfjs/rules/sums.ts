// Sums over leading axes (tf.js's kernel transposes first), and sums of rows by segment: the gradients of biases and of
// embeddings.

import { util, type SumAttrs, type UnsortedSegmentSumAttrs } from "@tensorflow/tfjs-core";
import { columnSum } from "../../kernels/ops/bias.ts";
import { embeddingGrad } from "../../kernels/ops/embedding.ts";
import type { AnyKernelRule, KernelRule, Tensors } from "../kernel-rule.ts";

const leadingSum: KernelRule<Tensors<"x">, SumAttrs> = {
  kernelName: "Sum",
  translate({ x }, { axis, keepDims }) {
    const axes = util.parseAxisParam(axis, x.shape).sort((a, b) => a - b);
    const kept = x.shape.slice(axes.length);
    if (axes.length === 0 || kept.length === 0 || axes.at(-1) !== axes.length - 1)
      return `a sum over the axes [${axes.join(", ")}] of ${x.shape.length}`;
    const columns = util.sizeFromShape(kept);
    const rows = util.sizeFromShape(x.shape) / columns;
    return {
      op: columnSum,
      params: {},
      operands: [{ tensor: x, shape: [rows, columns] }],
      resultShape: keepDims ? [...axes.map(() => 1), ...kept] : kept,
    };
  },
};

const segmentSum: KernelRule<Tensors<"x" | "segmentIds">, UnsortedSegmentSumAttrs> = {
  kernelName: "UnsortedSegmentSum",
  translate({ x, segmentIds }, { numSegments }) {
    const rows = util.sizeFromShape(segmentIds.shape);
    const rest = x.shape.slice(segmentIds.shape.length);
    return {
      op: embeddingGrad,
      params: { vocabulary: numSegments },
      operands: [
        { tensor: segmentIds, dtype: "int32", shape: [rows] },
        { tensor: x, shape: [rows, util.sizeFromShape(rest)] },
      ],
      resultShape: [numSegments, ...rest],
    };
  },
};

export const sumRules: readonly AnyKernelRule[] = [leadingSum, segmentSum];
