// Writes a trained model as ONNX, opset 17. The batch is free, images come as sltrain has them (NHWC), and the data's
// transform is part of the model: what predicts is fed what the data set held.

import { buildModel } from "../build.ts";
import { pickTensors, type NamedTensor } from "../safetensors.ts";
import { inputsOf, MODEL_INPUT, vocabularyOf, type Topology } from "../topology.ts";
import { OnnxGraph, type OnnxValue } from "./graph.ts";
import { addLayerNodes } from "./layer-nodes.ts";
import { encodeOnnx } from "./model-proto.ts";

/** The oldest with layer normalisation; runtimes since 2022 know it. */
export const ONNX_OPSET = 17;

export interface OnnxOptions {
  readonly topology: Topology;
  /** By name: parameters and statistics, f32. */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  /** See data/dataset.ts: x * scale + offset, one for all features or one each. Absent: the model takes what it is given. */
  readonly transform?: { readonly scale: readonly number[]; readonly offset: readonly number[] } | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The file in parts. Throws SltrainError "parameters-mismatch" naming all tensors that are missing or of no use. */
export function formatOnnx({
  topology,
  tensors,
  transform,
  metadata = {},
}: OnnxOptions): readonly Uint8Array[] {
  const { graph: built, layerOutputs, outputs } = buildModel(topology, 1, { training: false });
  const sampleShapeOf = (name: string) => layerOutputs.get(name)!.type.shape.slice(1);
  const expected = [...built.parameters, ...built.statistics, ...built.frozen];
  const weights = new Map(
    pickTensors(tensors, expected, topology.name).map((tensor) => [tensor.name, tensor]),
  );
  const weight = (name: string) => weights.get(name)!;
  const graph = new OnnxGraph();
  const values = new Map<string, OnnxValue>();
  const input: OnnxValue = { name: "x", order: "rows", shape: topology.inputShape };
  const takesTokens = vocabularyOf(topology) !== undefined;
  const isRaw = transform === undefined || takesTokens;
  values.set(MODEL_INPUT, isRaw ? input : transformed(graph, input, transform));
  const wiring = inputsOf(topology.layers);
  topology.layers.forEach((layer, index) => {
    const inputs = wiring[index]!.map((name) => values.get(name)!);
    const context = { graph, weight, outputShape: sampleShapeOf(layer.name) };
    values.set(layer.name, addLayerNodes(layer, inputs, context));
  });
  const last = graph.ordered(values.get(topology.layers.at(-1)!.name)!, "rows");
  const output = graph.node("Identity", [last.name], {}, "y");
  return encodeOnnx({
    name: topology.name,
    opset: ONNX_OPSET,
    nodes: graph.nodes,
    constants: graph.constants,
    input: { name: input.name, type: takesTokens ? "int64" : "float", sampleShape: topology.inputShape },
    output: { name: output, type: "float", sampleShape: outputs.type.shape.slice(1) },
    metadata,
  });
}

function transformed(
  graph: OnnxGraph,
  input: OnnxValue,
  { scale, offset }: NonNullable<OnnxOptions["transform"]>,
): OnnxValue {
  const shape = scale.length === 1 ? [1] : input.shape;
  const scaled = graph.node("Mul", [
    input.name,
    graph.constant("transform/scale", Float32Array.from(scale), shape),
  ]);
  const name = graph.node("Add", [
    scaled,
    graph.constant("transform/offset", Float32Array.from(offset), shape),
  ]);
  return { ...input, name };
}
