import assert from "node:assert/strict";
import { test } from "node:test";
import { differentiate } from "../../src/graph/differentiate.ts";
import { GraphBuilder } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/kernels/op.ts";
import { ops } from "../../src/kernels/ops/index.ts";
import { f32 } from "../../src/kernels/tensor.ts";

const zeros = { kind: "zeros" } as const;

function squaredError(builder: GraphBuilder, prediction: Tensor): Tensor {
  return builder.apply(ops["mean-squared-error"], [prediction, builder.input("target", prediction.type)], {});
}

test("the graph's own nodes stay, and gradients come in the reverse order of what they differentiate", () => {
  const builder = new GraphBuilder();
  const x = builder.input("x", f32(2, 3));
  const hidden = builder.apply(ops.dense, [x, builder.parameter("a", [3, 4], zeros)], { activation: "relu" });
  const y = builder.apply(ops.dense, [hidden, builder.parameter("b", [4, 5], zeros)], { activation: "none" });
  const objective = squaredError(builder, y);
  const graph = builder.build();
  const { graph: extended, gradients } = differentiate(graph, objective);
  assert.deepEqual(extended.nodes.slice(0, graph.nodes.length), graph.nodes);
  assert.deepEqual(
    extended.nodes.slice(graph.nodes.length).map(({ op }) => op.name),
    // dLoss, loss, b's gradient, hidden's, relu, a's; x's gradient is not computed
    ["fill", "mean-squared-error-grad", "matmul", "matmul", "relu-grad", "matmul"],
  );
  assert.deepEqual(
    gradients.map(({ type }) => type),
    graph.parameters.map(({ tensor }) => tensor.type),
  );
});

test("a tensor that is used twice gets the sum of both gradients", () => {
  const builder = new GraphBuilder();
  const p = builder.parameter("p", [2, 3], zeros);
  const objective = squaredError(builder, builder.apply(ops.add, [builder.apply(ops.tanh, [p], {}), p], {}));
  const { graph, gradients } = differentiate(builder.build(), objective);
  const producer = graph.nodes.find(({ outputs }) => outputs.includes(gradients[0]!));
  assert.equal(producer?.op.name, "add");
});

test("a parameter without influence has a gradient of zeros", () => {
  const builder = new GraphBuilder();
  builder.parameter("unused", [7], zeros);
  const p = builder.parameter("p", [2, 3], zeros);
  const { graph, gradients } = differentiate(builder.build(), squaredError(builder, p));
  const producer = graph.nodes.find(({ outputs }) => outputs.includes(gradients[0]!));
  assert.deepEqual([producer?.op.name, producer?.params], ["fill", { shape: [7], value: 0 }]);
});

test("an op without a gradient between a parameter and the objective is refused by name", () => {
  const builder = new GraphBuilder();
  const p = builder.parameter("p", [1, 3], zeros);
  const y = builder.apply(ops["relu-grad"], [p, p], {});
  const objective = squaredError(builder, y);
  assert.throws(() => differentiate(builder.build(), objective), {
    code: "not-differentiable",
    message:
      "differentiate: relu-grad -> f32[1,3] lies between a parameter and the objective but has no gradient",
  });
});

test("an op without a gradient is welcome where no parameter depends on it", () => {
  const builder = new GraphBuilder();
  const x = builder.input("x", f32(1, 3));
  const p = builder.parameter("p", [1, 3], zeros);
  const y = builder.apply(ops.add, [p, builder.apply(ops["relu-grad"], [x, x], {})], {});
  const objective = squaredError(builder, y);
  assert.equal(differentiate(builder.build(), objective).gradients.length, 1);
});

test("an objective of several elements is refused", () => {
  const builder = new GraphBuilder();
  const p = builder.parameter("p", [2, 3], zeros);
  assert.throws(() => differentiate(builder.build(), p), {
    code: "objective-not-scalar",
    message: "differentiate: the objective is f32[2,3] but expected f32[1]",
  });
});
