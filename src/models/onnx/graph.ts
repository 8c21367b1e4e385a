// An ONNX graph as it grows. sltrain's images are NHWC and ONNX's windows want NCHW: a value knows how it lies and is
// turned where an op needs it the other way, once.

import type { OnnxAttribute, OnnxNode, OnnxTensor } from "./model-proto.ts";

/** `NCHW`: an image turned for ONNX's windows. `rows`: as sltrain has it, the channels last. */
export type Order = "rows" | "NCHW";

export interface OnnxValue {
  readonly name: string;
  readonly order: Order;
  /** Of one sample as sltrain has it: [height, width, channels] of an image, whatever the order. */
  readonly shape: readonly number[];
}

const TURN = { NCHW: [0, 3, 1, 2], rows: [0, 2, 3, 1] } as const;

export class OnnxGraph {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  /** By name: the same value in the other order. */
  readonly #turned = new Map<string, OnnxValue>();

  /** The node's output. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output = `${opType.toLowerCase()}_${this.nodes.length}`,
  ): string {
    this.nodes.push({ opType, inputs, outputs: [output], attributes });
    return output;
  }

  /** `shape` defaults to that of a vector; a scalar's is []. */
  constant(name: string, data: OnnxTensor["data"], shape: readonly number[] = [data.length]): string {
    if (!this.constants.some((other) => other.name === name)) this.constants.push({ name, shape, data });
    return name;
  }

  scalar(value: number): string {
    return this.constant(`scalar_${value}`, Float32Array.of(value), []);
  }

  /** The value in that order; rows that are no images have only one. */
  ordered(value: OnnxValue, order: Order): OnnxValue {
    if (value.order === order || value.shape.length !== 3) return value;
    const known = this.#turned.get(value.name);
    if (known !== undefined) return known;
    const name = this.node("Transpose", [value.name], { perm: { ints: TURN[order] } });
    const turned = { ...value, name, order };
    this.#turned.set(value.name, turned).set(name, value);
    return turned;
  }
}
