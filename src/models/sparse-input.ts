// Models over sparse rows: the input is a matrix in CSR form, and what reads it is a product with a sparse matrix. Its
// weights are those of a dense layer, so that a model trained on sparse rows takes dense ones as well.

import { SltrainError } from "../errors.ts";
import type { GraphBuilder } from "../graph/graph.ts";
import type { Tensor } from "../kernels/op.ts";
import { sparseDense } from "../kernels/ops/sparse-dense.ts";
import { f32, i32 } from "../kernels/tensor.ts";
import { activationOps, addWeights, type LayerContext } from "./layers.ts";
import type { Stage } from "./stages.ts";
import type { Dense, Layer, Topology } from "./topology.ts";

/** Rows of one batch: see kernels/ops/sparse-dense.ts. */
export interface SparseInput {
  /** f32[E] */
  readonly values: Tensor;
  /** i32[E] */
  readonly columns: Tensor;
  /** i32[B + 1] */
  readonly rowStarts: Tensor;
  readonly features: number;
}

/** Non-zeros that a batch has room for. */
export function batchNonZeros({ sparse, inputShape }: Topology, batchSize: number): number {
  const most = Math.min(sparse?.maxRowNonZeros ?? Infinity, inputShape[0]!);
  // A batch of empty rows has a place as well: no tensor is empty.
  return Math.max(1, batchSize * most);
}

/** The graph's inputs `x.values` f32[E], `x.columns` i32[E] and `x.rowStarts` i32[B + 1]. */
export function sparseInput(builder: GraphBuilder, topology: Topology, batchSize: number): SparseInput {
  const capacity = batchNonZeros(topology, batchSize);
  return {
    values: builder.input("x.values", f32(capacity)),
    columns: builder.input("x.columns", i32(capacity)),
    rowStarts: builder.input("x.rowStarts", i32(batchSize + 1)),
    features: topology.inputShape[0]!,
  };
}

/** Throws SltrainError "model-sparse" for a layer that cannot read sparse rows: any but Dense. */
export function refuseSparse({ className, name }: Layer, { name: model }: Topology): void {
  if (className === "Dense") return;
  throw new SltrainError({
    code: "model-sparse",
    message: `model ${model}: expected a Dense layer to read sparse rows, got ${className} layer ${JSON.stringify(name)}`,
    suggestions: ["Choose --model lr, softmax, svm or mlp, or give the data as dense rows (CSV)."],
  });
}

/** The output of a Dense stage that reads the input. */
export function addSparseDense(
  layer: Dense,
  stage: Stage,
  input: SparseInput,
  context: LayerContext,
): Tensor {
  const { builder } = context;
  const { values, columns, rowStarts, features } = input;
  const weights = addWeights(builder, layer, [features, layer.units]);
  const y = builder.apply(sparseDense, [values, columns, rowStarts, ...weights], {});
  return stage.activation === "none" ? y : builder.apply(activationOps[stage.activation], [y], {});
}
