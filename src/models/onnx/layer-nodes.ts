// What each layer is in ONNX's operators of opset 17 (onnx.ai/onnx/operators). Weights are turned once, here: filters
// from HWIO to OIHW.

import { assert } from "../../errors.ts";
import { windowAxis } from "../../kernels/ops/window.ts";
import type { Activation, Conv2D, DepthwiseConv2D, Layer, Pair, Padding } from "../topology.ts";
import type { OnnxGraph, OnnxValue } from "./graph.ts";
import type { OnnxAttribute } from "./model-proto.ts";

export interface LayerNodesContext {
  readonly graph: OnnxGraph;
  /** A trained tensor by its full name. */
  readonly weight: (name: string) => { readonly shape: readonly number[]; readonly data: Float32Array };
  /** Of one sample of the layer's output. */
  readonly outputShape: readonly number[];
}

type LayerOf<Name extends Layer["className"]> = Extract<Layer, { className: Name }>;
type Writer<L> = (layer: L, inputs: readonly OnnxValue[], context: LayerNodesContext) => OnnxValue;
type Writers = { readonly [Name in Layer["className"]]: Writer<LayerOf<Name>> };

/** The layer's output. Its dropout drops nothing, and batch norm normalises by its moving averages. */
export function addLayerNodes(
  layer: Layer,
  inputs: readonly OnnxValue[],
  context: LayerNodesContext,
): OnnxValue {
  // TypeScript cannot see that a layer's writer takes that layer.
  const output = (writers[layer.className] as Writer<Layer>)(layer, inputs, context);
  const value = { ...output, shape: context.outputShape };
  const isDone = layer.className === "Activation" || !("activation" in layer);
  return isDone ? value : activate(context.graph, layer.activation, value);
}

const writers: Writers = {
  Dense: ({ name, useBias }, [x], { graph, weight }) => {
    const input = graph.ordered(x!, "rows");
    const kernel = constantOf(graph, weight, `${name}/kernel`);
    const bias = useBias ? [constantOf(graph, weight, `${name}/bias`)] : [];
    if (input.shape.length === 1)
      return { ...input, name: graph.node("Gemm", [input.name, kernel, ...bias]) };
    const product = graph.node("MatMul", [input.name, kernel]);
    return { ...input, name: useBias ? graph.node("Add", [product, ...bias]) : product };
  },
  Conv2D: (layer, [x], { graph, weight }) => {
    const { shape, data } = weight(`${layer.name}/kernel`);
    const [height, width, inputs, outputs] = shape as [number, number, number, number];
    const taps = height * width;
    // HWIO -> OIHW
    const filter = permuted(data, [outputs, inputs, taps], (o, i, tap) => (tap * inputs + i) * outputs + o);
    const kernel = graph.constant(`${layer.name}/kernel`, filter, [outputs, inputs, height, width]);
    return convolution(graph, weight, layer, x!, kernel, 1);
  },
  DepthwiseConv2D: (layer, [x], { graph, weight }) => {
    const name = `${layer.name}/depthwise_kernel`;
    const { shape, data } = weight(name);
    const [height, width, channels, multiplier] = shape as [number, number, number, number];
    const filters = channels * multiplier;
    const filter = permuted(data, [filters, 1, height * width], (o, _, tap) => tap * filters + o);
    const kernel = graph.constant(name, filter, [filters, 1, height, width]);
    return convolution(graph, weight, layer, x!, kernel, channels);
  },
  MaxPooling2D: (layer, [x], { graph }) => pooling(graph, "MaxPool", layer, x!),
  // Padding does not count, as in TensorFlow.
  AveragePooling2D: (layer, [x], { graph }) => pooling(graph, "AveragePool", layer, x!),
  GlobalAveragePooling2D: (_, [x], { graph }) => {
    const image = graph.ordered(x!, "NCHW");
    const pooled = graph.node("GlobalAveragePool", [image.name]);
    return { ...image, order: "rows", name: graph.node("Flatten", [pooled], { axis: { int: 1 } }) };
  },
  BatchNormalization: ({ name, epsilon, scale, center }, [x], { graph, weight }) => {
    const input = graph.ordered(x!, "NCHW");
    const channels = input.shape.at(-1)!;
    assert(input.shape.length !== 2, `${name}: batch norm of rows of two dimensions`);
    const inputs = [
      scale ? constantOf(graph, weight, `${name}/gamma`) : filled(graph, 1, channels),
      center ? constantOf(graph, weight, `${name}/beta`) : filled(graph, 0, channels),
      constantOf(graph, weight, `${name}/moving_mean`),
      constantOf(graph, weight, `${name}/moving_variance`),
    ];
    return {
      ...input,
      name: graph.node("BatchNormalization", [input.name, ...inputs], { epsilon: { float: epsilon } }),
    };
  },
  LayerNormalization: ({ name, epsilon, scale, center }, [x], { graph, weight }) => {
    const input = graph.ordered(x!, "rows");
    const channels = input.shape.at(-1)!;
    const gamma = scale ? constantOf(graph, weight, `${name}/gamma`) : filled(graph, 1, channels);
    const beta = center ? [constantOf(graph, weight, `${name}/beta`)] : [];
    const attributes = { axis: { int: -1 }, epsilon: { float: epsilon } };
    return { ...input, name: graph.node("LayerNormalization", [input.name, gamma, ...beta], attributes) };
  },
  LocalResponseNormalization: ({ depthRadius, bias, alpha, beta }, [x], { graph }) => {
    const input = graph.ordered(x!, "NCHW");
    const size = 2 * depthRadius + 1;
    // ONNX divides alpha by the size of the window.
    const attributes = {
      ...{ size: { int: size }, alpha: { float: alpha * size } },
      ...{ beta: { float: beta }, bias: { float: bias } },
    };
    return { ...input, name: graph.node("LRN", [input.name], attributes) };
  },
  Flatten: (_, [x], { graph }) => {
    const input = graph.ordered(x!, "rows");
    return { ...input, name: graph.node("Flatten", [input.name], { axis: { int: 1 } }) };
  },
  Dropout: (_, [x]) => x!,
  Activation: ({ activation }, [x], { graph }) => activate(graph, activation, x!),
  LeakyReLU: ({ negativeSlope }, [x], { graph }) => ({
    ...x!,
    name: graph.node("LeakyRelu", [x!.name], { alpha: { float: negativeSlope } }),
  }),
  Add: (_, inputs, { graph }) => merged(graph, "Add", inputs),
  Multiply: (_, inputs, { graph }) => merged(graph, "Mul", inputs),
  Embedding: ({ name }, [tokens], { graph, weight }) => ({
    ...tokens!,
    name: graph.node("Gather", [constantOf(graph, weight, `${name}/embeddings`), tokens!.name]),
  }),
  TokenAndPositionEmbedding: ({ name }, [tokens], { graph, weight }) => {
    const rows = graph.node("Gather", [constantOf(graph, weight, `${name}/embeddings`), tokens!.name]);
    const positions = constantOf(graph, weight, `${name}/position_embeddings`);
    return { ...tokens!, name: graph.node("Add", [rows, positions]) };
  },
  CausalSelfAttention: ({ numHeads }, [qkv], { graph }) => causalAttention(graph, numHeads, qkv!),
  Concatenate: (_, inputs, { graph }) => {
    const values = inputs.map((input) => graph.ordered(input, inputs[0]!.order));
    const axis = values[0]!.order === "NCHW" ? 1 : -1;
    const names = values.map(({ name }) => name);
    return { ...values[0]!, name: graph.node("Concat", names, { axis: { int: axis } }) };
  },
  KMeans: ({ name }, [x], { graph, weight }) => {
    const input = graph.ordered(x!, "rows");
    const { shape, data } = weight(`${name}/centroids`);
    const [clusters, features] = shape as [number, number];
    const along = { axes: { ints: [1] }, keepdims: { int: 1 } };
    // To each centroid by itself: one subtraction for all would need a third axis, and its shape as a tensor of int64.
    const squares = Array.from({ length: clusters }, (_, k) => {
      const values = data.subarray(k * features, (k + 1) * features);
      const centroid = graph.constant(`${name}/centroids:${k}`, values);
      return graph.node("ReduceSumSquare", [graph.node("Sub", [input.name, centroid])], along);
    });
    const distances = graph.node("Concat", squares, { axis: { int: 1 } });
    return { ...input, name: graph.node("ReduceMin", [distances], along) };
  },
};

function activate(graph: OnnxGraph, activation: Activation, x: OnnxValue): OnnxValue {
  const of = (opType: string, ...others: readonly string[]) => ({
    ...x,
    name: graph.node(opType, [x.name, ...others]),
  });
  switch (activation) {
    case "linear":
      return x;
    case "relu":
      return of("Relu");
    case "relu6":
      return of("Clip", graph.scalar(0), graph.scalar(6));
    case "tanh":
      return of("Tanh");
    case "sigmoid":
      return of("Sigmoid");
    case "softmax": {
      const rows = graph.ordered(x, "rows");
      return { ...rows, name: graph.node("Softmax", [rows.name], { axis: { int: -1 } }) };
    }
    case "swish":
      return { ...x, name: graph.node("Mul", [x.name, of("Sigmoid").name]) };
    case "gelu": {
      // x/2 (1 + erf(x / sqrt 2)); ONNX has an operator for it from opset 20 on.
      const erf = graph.node("Erf", [graph.node("Div", [x.name, graph.scalar(Math.SQRT2)])]);
      const twice = graph.node("Mul", [x.name, graph.node("Add", [erf, graph.scalar(1)])]);
      return { ...x, name: graph.node("Mul", [twice, graph.scalar(0.5)]) };
    }
  }
}

function convolution(
  graph: OnnxGraph,
  weight: LayerNodesContext["weight"],
  layer: Conv2D | DepthwiseConv2D,
  x: OnnxValue,
  kernel: string,
  group: number,
): OnnxValue {
  const image = graph.ordered(x, "NCHW");
  const bias = layer.useBias ? [constantOf(graph, weight, `${layer.name}/bias`)] : [];
  const attributes = {
    ...windows(image, layer.kernelSize, layer),
    ...{ dilations: { ints: layer.dilationRate }, group: { int: group } },
  };
  return { ...image, name: graph.node("Conv", [image.name, kernel, ...bias], attributes) };
}

function pooling(
  graph: OnnxGraph,
  opType: string,
  layer: LayerOf<"MaxPooling2D" | "AveragePooling2D">,
  x: OnnxValue,
): OnnxValue {
  const image = graph.ordered(x, "NCHW");
  return { ...image, name: graph.node(opType, [image.name], windows(image, layer.poolSize, layer)) };
}

interface Window {
  readonly strides: Pair;
  readonly padding: Padding;
  readonly dilationRate?: Pair;
}

/** With the padding in cells: ONNX's words for "same" are of no use to all runtimes. */
function windows(
  { shape }: OnnxValue,
  size: Pair,
  { strides, padding, dilationRate = [1, 1] }: Window,
): Readonly<Record<string, OnnxAttribute>> {
  const axes = ([0, 1] as const).map((axis) =>
    windowAxis(
      "onnx",
      `image[${axis}]`,
      shape[axis]!,
      size[axis],
      strides[axis],
      padding,
      dilationRate[axis],
    ),
  );
  const pads = [...axes.map(({ before }) => before), ...axes.map(({ after }) => after)];
  return { kernel_shape: { ints: size }, strides: { ints: strides }, pads: { ints: pads } };
}

/** softmax(q k^T / sqrt(d) + mask) v, head by head. */
function causalAttention(graph: OnnxGraph, heads: number, qkv: OnnxValue): OnnxValue {
  const [positions, features] = qkv.shape as [number, number];
  const headWidth = features / 3 / heads;
  const shapeOf = (...extents: readonly number[]) =>
    graph.constant(`shape_${extents.join("_")}`, BigInt64Array.from(extents, BigInt));
  // [B, T, 3, heads, d] -> [3, B, heads, T, d]
  const parts = graph.node("Reshape", [qkv.name, shapeOf(-1, positions, 3, heads, headWidth)]);
  const turned = graph.node("Transpose", [parts], { perm: { ints: [2, 0, 3, 1, 4] } });
  const part = (index: number) =>
    graph.node("Gather", [turned, graph.constant(`index_${index}`, BigInt64Array.of(BigInt(index)), [])]);
  const [q, k, v] = [part(0), part(1), part(2)];
  const keys = graph.node("Transpose", [k], { perm: { ints: [0, 1, 3, 2] } });
  const scores = graph.node("Mul", [graph.node("MatMul", [q, keys]), graph.scalar(1 / Math.sqrt(headWidth))]);
  const hidden = Float32Array.from({ length: positions * positions }, (_, i) =>
    i % positions > Math.floor(i / positions) ? -1e30 : 0,
  );
  const mask = graph.constant(`causal_mask_${positions}`, hidden, [positions, positions]);
  const weights = graph.node("Softmax", [graph.node("Add", [scores, mask])], { axis: { int: -1 } });
  const sums = graph.node("Transpose", [graph.node("MatMul", [weights, v])], {
    perm: { ints: [0, 2, 1, 3] },
  });
  return { ...qkv, name: graph.node("Reshape", [sums, shapeOf(-1, positions, features / 3)]) };
}

/** All in the order of the first. */
function merged(graph: OnnxGraph, opType: string, inputs: readonly OnnxValue[]): OnnxValue {
  return inputs.reduce((sum, input) => ({
    ...sum,
    name: graph.node(opType, [sum.name, graph.ordered(input, sum.order).name]),
  }));
}

function constantOf(graph: OnnxGraph, weight: LayerNodesContext["weight"], name: string): string {
  const { shape, data } = weight(name);
  return graph.constant(name, data, shape);
}

function filled(graph: OnnxGraph, value: number, length: number): string {
  return graph.constant(`filled_${value}_${length}`, new Float32Array(length).fill(value));
}

/** A new array over the extents, row-major; `from` says where an element lies now. */
function permuted(
  data: Float32Array,
  [first, second, third]: readonly [number, number, number],
  from: (a: number, b: number, c: number) => number,
): Float32Array {
  const result = new Float32Array(data.length);
  let to = 0;
  for (let a = 0; a < first; a++)
    for (let b = 0; b < second; b++) for (let c = 0; c < third; c++) result[to++] = data[from(a, b, c)]!;
  return result;
}
