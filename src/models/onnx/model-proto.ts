// ONNX's messages as far as a trained model needs them (github.com/onnx/onnx, onnx.proto3), and their encoding.

import {
  bytesField,
  floatField,
  join,
  messageField,
  stringField,
  varintField,
  type Encoded,
} from "./protobuf.ts";

/** A number with a point in the file's sense is a float, all else is said by its kind here. */
export type OnnxAttribute =
  { readonly float: number } | { readonly int: number } | { readonly ints: readonly number[] };

export interface OnnxNode {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array | BigInt64Array;
}

/** A tensor at the border; the first extent is the batch's, which is free. */
export interface OnnxBorder {
  readonly name: string;
  readonly type: "float" | "int64";
  readonly sampleShape: readonly number[];
}

export interface OnnxModel {
  readonly name: string;
  readonly opset: number;
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxTensor[];
  readonly input: OnnxBorder;
  readonly output: OnnxBorder;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The file format that came with opset 17. */
const IR_VERSION = 8;

const FLOAT = 1;
const INT64 = 7;

const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;

/** The file in parts; those of the constants are views. */
export function encodeOnnx(model: OnnxModel): readonly Uint8Array[] {
  const graph = [
    ...model.nodes.map((node, index) => messageField(1, nodeFields(node, index))),
    stringField(2, model.name),
    ...model.constants.map((tensor) => messageField(5, tensorFields(tensor))),
    messageField(11, borderFields(model.input)),
    messageField(12, borderFields(model.output)),
  ];
  return join([
    varintField(1, IR_VERSION),
    stringField(2, "sltrain"),
    messageField(7, graph),
    messageField(8, [varintField(2, model.opset)]),
    ...Object.entries(model.metadata).map(([key, value]) =>
      messageField(14, [stringField(1, key), stringField(2, value)]),
    ),
  ]).parts;
}

function nodeFields({ opType, inputs, outputs, attributes }: OnnxNode, index: number): readonly Encoded[] {
  return [
    ...inputs.map((name) => stringField(1, name)),
    ...outputs.map((name) => stringField(2, name)),
    stringField(3, `${opType}_${index}`),
    stringField(4, opType),
    ...Object.entries(attributes).map(([name, value]) =>
      messageField(5, [stringField(1, name), ...attributeFields(value)]),
    ),
  ];
}

function attributeFields(value: OnnxAttribute): readonly Encoded[] {
  if ("float" in value) return [floatField(2, value.float), varintField(20, ATTRIBUTE_FLOAT)];
  if ("int" in value) return [signedField(3, value.int), varintField(20, ATTRIBUTE_INT)];
  return [...value.ints.map((int) => varintField(8, int)), varintField(20, ATTRIBUTE_INTS)];
}

/** An int64 is written as its two's complement: ten bytes where it is negative. */
function signedField(field: number, value: number): Encoded {
  if (value >= 0) return varintField(field, value);
  const bits = BigInt.asUintN(64, BigInt(value));
  const bytes = Array.from(
    { length: 10 },
    (_, i) => Number((bits >> BigInt(7 * i)) & 127n) | (i < 9 ? 128 : 0),
  );
  return { parts: [Uint8Array.from([field * 8, ...bytes])], length: 11 };
}

function tensorFields({ name, shape, data }: OnnxTensor): readonly Encoded[] {
  return [
    ...shape.map((extent) => varintField(1, extent)),
    varintField(2, data instanceof Float32Array ? FLOAT : INT64),
    stringField(8, name),
    bytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ];
}

function borderFields({ name, type, sampleShape }: OnnxBorder): readonly Encoded[] {
  const dimensions = [
    messageField(1, [stringField(2, "batch")]),
    ...sampleShape.map((extent) => messageField(1, [varintField(1, extent)])),
  ];
  const tensorType = messageField(1, [
    varintField(1, type === "float" ? FLOAT : INT64),
    messageField(2, dimensions),
  ]);
  return [stringField(1, name), messageField(2, [tensorType])];
}
