// Every gradient rule against central finite differences in float64 on the reference device.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createReferenceDevice } from "../../../src/device/reference/reference-device.ts";
import { GraphBuilder } from "../../../src/graph/graph.ts";
import { buildTrainingProgram } from "../../../src/graph/program.ts";
import { allocateVectors } from "../../../src/graph/vectors.ts";
import type { AnyOp, Op } from "../../../src/kernels/op.ts";
import { ops, type ParamsOf, type OpName } from "../../../src/kernels/ops/index.ts";
import { elementCount, f32, i32, type TensorType } from "../../../src/kernels/tensor.ts";
import { RandomStream } from "../../../src/random.ts";

interface GradientCase {
  readonly op: Op;
  readonly inputs: readonly TensorType[];
  readonly params: object;
  /** Values of all i32 operands, one after the other. */
  readonly integers?: readonly number[];
  /** Operands that are data, not differentiated: targets. */
  readonly constants?: readonly number[];
  readonly what?: string;
}

function gradientCase<N extends OpName>(
  name: N,
  inputs: readonly TensorType[],
  params: ParamsOf<N>,
  rest: Pick<GradientCase, "integers" | "constants"> = {},
): GradientCase {
  return { op: ops[name] as AnyOp as Op, inputs, params, ...rest };
}

const bools = [false, true];
const paddings = ["same", "valid"] as const;
const activations = ["none", "relu"] as const;

const cases: readonly GradientCase[] = [
  ...activations.flatMap((activation) => [
    gradientCase("dense", [f32(3, 5), f32(5, 7), f32(7)], { activation }),
    gradientCase("dense", [f32(3, 5), f32(5, 2)], { activation }),
  ]),
  ...bools.flatMap((transposeA) =>
    bools.map((transposeB) =>
      gradientCase("matmul", [transposeA ? f32(4, 3) : f32(3, 4), transposeB ? f32(5, 4) : f32(4, 5)], {
        transposeA,
        transposeB,
      }),
    ),
  ),
  ...paddings.flatMap((padding) => [
    gradientCase("conv2d", [f32(2, 5, 6, 3), f32(3, 2, 3, 4), f32(4)], {
      strides: [1, 1],
      padding,
      activation: "relu",
    }),
    gradientCase("conv2d", [f32(2, 7, 6, 2), f32(3, 3, 2, 3)], {
      strides: [2, 3],
      padding,
      activation: "none",
    }),
    gradientCase("conv2d", [f32(1, 4, 4, 1), f32(1, 1, 1, 2), f32(2)], {
      strides: [3, 2],
      padding,
      activation: "none",
    }),
    gradientCase("conv2d", [f32(2, 7, 6, 2), f32(3, 2, 2, 3)], {
      strides: [2, 1],
      dilations: [2, 3],
      padding,
      activation: "none",
    }),
    ...activations.map((activation) =>
      gradientCase("depthwise-conv2d", [f32(2, 5, 6, 3), f32(3, 2, 3, 2), f32(6)], {
        strides: [1, 2],
        padding,
        activation,
      }),
    ),
    gradientCase("depthwise-conv2d", [f32(1, 7, 6, 3), f32(3, 2, 3, 1)], {
      strides: [2, 1],
      dilations: [2, 3],
      padding,
      activation: "none",
    }),
    ...activations.map((activation) =>
      gradientCase("conv2d-max-pool", [f32(2, 7, 6, 2), f32(2, 3, 2, 3), f32(3)], {
        strides: [1, 1],
        padding,
        activation,
        poolSize: [2, 2],
      }),
    ),
    gradientCase("conv2d-max-pool", [f32(1, 9, 7, 1), f32(3, 2, 1, 2)], {
      strides: [2, 1],
      padding,
      activation: "none",
      poolSize: [1, 3],
    }),
    gradientCase("max-pool", [f32(2, 5, 6, 3)], { poolSize: [2, 2], strides: [2, 2], padding }),
    gradientCase("max-pool", [f32(1, 6, 5, 2)], { poolSize: [3, 2], strides: [1, 2], padding }),
    gradientCase("avg-pool", [f32(2, 5, 6, 3)], { poolSize: [2, 2], strides: [2, 2], padding }),
    gradientCase("avg-pool", [f32(1, 6, 5, 2)], { poolSize: [3, 3], strides: [2, 1], padding }),
  ]),
  ...activations.flatMap((activation) => {
    const params = { epsilon: 0.01, activation };
    const vector = f32(5);
    return [
      gradientCase("batch-norm", [f32(2, 3, 5), vector, vector], params),
      gradientCase("batch-norm-inference", [f32(2, 3, 5), vector, vector, vector, vector], params, {
        constants: [3, 4],
      }),
    ];
  }),
  gradientCase("global-avg-pool", [f32(2, 3, 4, 5)], {}),
  gradientCase("concat", [f32(2, 3), f32(2, 1), f32(2, 4)], {}),
  gradientCase("slice", [f32(3, 7)], { begin: 2, end: 5 }),
  gradientCase("slice", [f32(3, 7)], { begin: 0, end: 7 }),
  gradientCase("layer-norm", [f32(2, 3, 5), f32(5), f32(5)], { epsilon: 0.01 }),
  ...[0.5, 0.75].map((beta) =>
    gradientCase("local-response-norm", [f32(2, 3, 5)], { depthRadius: 1, bias: 1, alpha: 0.7, beta }),
  ),
  gradientCase("causal-attention", [f32(2, 4, 18)], { heads: 2 }),
  gradientCase("embedding", [i32(2, 3), f32(4, 5)], {}, { integers: [1, 3, 1, 0, 3, 3] }),
  gradientCase(
    "sparse-dense",
    [f32(6), i32(6), i32(4), f32(4, 3), f32(3)],
    {},
    { integers: [0, 3, 2, 0, 1, 3, 0, 2, 2, 5], constants: [0] },
  ),
  gradientCase("bias-add", [f32(2, 3, 5), f32(5)], {}),
  gradientCase("add", [f32(3, 7), f32(3, 7)], {}),
  gradientCase("add", [f32(3, 7), f32(3, 7)], { activation: "relu" }),
  gradientCase("multiply", [f32(3, 7), f32(3, 7)], {}),
  gradientCase("relu", [f32(3, 7)], {}),
  gradientCase("relu6", [f32(3, 7)], {}),
  gradientCase("leaky-relu", [f32(3, 7)], { alpha: 0.3 }),
  gradientCase("silu", [f32(3, 7)], {}),
  gradientCase("gelu", [f32(3, 7)], {}),
  gradientCase("tanh", [f32(3, 7)], {}),
  gradientCase("sigmoid", [f32(3, 7)], {}),
  gradientCase("softmax", [f32(3, 7)], {}),
  gradientCase("reshape", [f32(3, 8)], { shape: [2, 3, 4] }),
  gradientCase("dropout", [f32(3, 7), i32(4)], { rate: 0.4, layer: 2 }, { integers: [5, 11, 3, 0] }),
  gradientCase("softmax-cross-entropy", [f32(3, 7), i32(3)], {}, { integers: [6, 0, 3] }),
  gradientCase(
    "softmax-cross-entropy",
    [f32(3, 7), i32(3), f32(3)],
    { labelSmoothing: 0.1 },
    { integers: [6, 0, 3], constants: [2] },
  ),
  gradientCase("sigmoid-cross-entropy", [f32(3, 5), f32(3, 5)], {}, { constants: [1] }),
  gradientCase("sigmoid-cross-entropy", [f32(3, 5), f32(3, 5), f32(3, 5)], {}, { constants: [1, 2] }),
  gradientCase("hinge", [f32(3, 5), f32(3, 5)], {}, { constants: [1] }),
  gradientCase("squared-hinge", [f32(3, 5), f32(3, 5)], {}, { constants: [1] }),
  gradientCase("mean-squared-error", [f32(3, 5), f32(3, 5)], {}, { constants: [1] }),
];

/** Distinct values, further apart than a finite difference: no maximum changes hands, no kink is crossed. */
function distinctValues(count: number, name: string): Float64Array {
  const order = new RandomStream(1, name).permutation(count);
  return Float64Array.from(order, (rank) => (2 * (rank + 0.6)) / count - 1);
}

/** The gradients of one case by operand, and the objective as a function of the flat parameters. */
async function differentiated({ op, inputs, params, integers, constants = [] }: GradientCase) {
  const builder = new GraphBuilder();
  const operands = inputs.map((type, index) => {
    const isData = type.dtype === "i32" || constants.includes(index);
    if (isData) return builder.input(`operand${index}`, type);
    return builder.parameter(`operand${index}`, type.shape, { kind: "zeros" });
  });
  const output = builder.apply(op, operands, params);
  const elements = elementCount(output.type);
  const objective =
    elements === 1
      ? output
      : builder.apply(
          ops["mean-squared-error"],
          [
            builder.apply(ops.reshape, [output], { shape: [1, elements] }),
            builder.input("target", f32(1, elements)),
          ],
          {},
        );
  const training = buildTrainingProgram(builder.build(), objective, { objective });

  const device = createReferenceDevice({ precision: "f64" });
  const vectors = allocateVectors(device, training.program);
  let next = 0;
  inputs.forEach((type, index) => {
    const vector = vectors[`input.operand${index}`];
    if (vector === undefined) return;
    if (type.dtype === "i32")
      device.write(vector, 0, Int32Array.from(integers!.slice(next, (next += elementCount(type)))));
    else
      device.writeF64(
        vector,
        0,
        distinctValues(elementCount(type), `operand ${index}`).map((v) => (v + 1) / 2),
      );
  });
  if (vectors["input.target"])
    device.writeF64(vectors["input.target"], 0, distinctValues(elements, "target"));
  const flat = new Float64Array(training.parameters.length);
  for (const { name, offset, length } of training.parameters.entries)
    flat.set(distinctValues(length, name), offset);

  const step = await device.compile(training.program, training.plan, vectors);
  const evaluate = async (parameters: Float64Array): Promise<number> => {
    device.writeF64(vectors.parameters!, 0, parameters);
    await step.run();
    return device.readF64(vectors["result.objective"]!)[0]!;
  };
  await evaluate(flat);
  return {
    entries: training.parameters.entries,
    flat,
    evaluate,
    gradient: device.readF64(vectors.gradients!).slice(),
  };
}

suite("the gradient of every op is its finite difference", () => {
  const DELTA = 1e-5;
  for (const gradient of cases) {
    const shapes = gradient.inputs.map(({ shape }) => shape.join("x")).join(" ");
    test(`${gradient.op.name} ${shapes} ${JSON.stringify(gradient.params)}`, async () => {
      const { entries, flat, evaluate, gradient: actual } = await differentiated(gradient);
      for (const { name, offset, length } of entries) {
        for (let i = offset; i < offset + length; i++) {
          const moved = (by: number) => evaluate(flat.with(i, flat[i]! + by));
          const expected = ((await moved(DELTA)) - (await moved(-DELTA))) / (2 * DELTA);
          const error = Math.abs(actual[i]! - expected);
          assert.ok(
            error < 1e-7 * Math.max(1, Math.abs(expected)),
            `${name}[${i - offset}]: ${actual[i]} but ${expected}`,
          );
        }
      }
      assert.ok(actual.some((value) => value !== 0));
    });
  }
});

test("no op with a gradient is left out here", () => {
  const tested = new Set(cases.map(({ op }) => op.name));
  const differentiable = Object.values<AnyOp>(ops).filter(({ vjp }) => vjp !== "not-differentiable");
  assert.deepEqual(
    differentiable.map(({ name }) => name).filter((name) => !tested.has(name)),
    [],
  );
});
