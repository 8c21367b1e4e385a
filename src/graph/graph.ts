// A graph of ops on symbolic tensors. Building it checks every shape; parameters and statistics get their places in
// the flat vectors in the order of their declaration.

import { assert } from "../errors.ts";
import type { Op, Tensor, AnyOp } from "../kernels/op.ts";
import { alignElements, elementCount, f32, type TensorType } from "../kernels/tensor.ts";
import type { Layout, LayoutEntry } from "../shard/layout.ts";

/** How a parameter begins. Limits come from the fans, as in Keras; zeros, ones and a given deviation need none. */
export type Initializer =
  | { readonly kind: "zeros" }
  | { readonly kind: "ones" }
  | { readonly kind: "glorot-uniform"; readonly fanIn: number; readonly fanOut: number }
  | { readonly kind: "he-normal"; readonly fanIn: number }
  | { readonly kind: "normal"; readonly deviation: number };

export interface GraphNode {
  readonly op: AnyOp;
  readonly params: object;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface Parameter extends LayoutEntry {
  readonly tensor: Tensor;
  readonly initializer: Initializer;
  /** Sums that training leaves where the gradient would lie, of a parameter that is not trained by one. */
  readonly sums?: Tensor;
}

/** Non-trained state that training updates and ranks average (batch norm's moving mean and variance). */
export interface Statistic extends Parameter {
  /** Its value after a training step; without it training leaves the statistic as it is. */
  readonly next?: Tensor;
}

/** In a graph's flat vectors, in the order of `tensorsOf`. */
export const vectorNames = ["parameters", "statistics", "frozen"] as const;
export type VectorName = (typeof vectorNames)[number];

export interface GraphInput {
  readonly name: string;
  readonly tensor: Tensor;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly GraphInput[];
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Statistic[];
  /** What training leaves as it is: without gradients, and never exchanged. */
  readonly frozen: readonly Parameter[];
  /** Number of tensors; ids are 0..tensorCount-1. */
  readonly tensorCount: number;
}

export class GraphBuilder {
  readonly #nodes: GraphNode[];
  readonly #inputs: GraphInput[];
  readonly #parameters: Parameter[];
  readonly #statistics: Statistic[];
  readonly #frozen: Parameter[];
  #isFreezing = false;
  #tensorCount: number;

  /** Begins empty, or goes on where `graph` ends; `graph` itself stays as it is. */
  constructor(graph?: Graph) {
    this.#nodes = [...(graph?.nodes ?? [])];
    this.#inputs = [...(graph?.inputs ?? [])];
    this.#parameters = [...(graph?.parameters ?? [])];
    this.#statistics = [...(graph?.statistics ?? [])];
    this.#frozen = [...(graph?.frozen ?? [])];
    this.#tensorCount = graph?.tensorCount ?? 0;
  }

  #tensor(type: TensorType): Tensor {
    return { id: this.#tensorCount++, type };
  }

  /** A tensor that the host writes before a step; lives in the vector `input.<name>`. */
  input(name: string, type: TensorType): Tensor {
    const tensor = this.#tensor(type);
    this.#inputs.push({ name, tensor });
    return tensor;
  }

  /** A trained f32 tensor, in the vector `parameters`; its gradient has the same offset in `gradients`. */
  parameter(name: string, shape: readonly number[], initializer: Initializer): Tensor {
    return this.#place(this.#isFreezing ? this.#frozen : this.#parameters, name, shape, initializer);
  }

  /** Has training leave `sums`, of the parameter's shape, in place of its gradient, which then is not computed. */
  leaveSums(parameter: Tensor, sums: Tensor): void {
    const index = this.#parameters.findIndex(({ tensor }) => tensor === parameter);
    assert(index >= 0, `tensor ${parameter.id} is no parameter`);
    this.#parameters[index] = { ...this.#parameters[index]!, sums };
  }

  /** An f32 tensor in the vector `statistics`. */
  statistic(name: string, shape: readonly number[], initializer: Initializer): Tensor {
    return this.#place(this.#isFreezing ? this.#frozen : this.#statistics, name, shape, initializer);
  }

  /** What `declare` declares of parameters and statistics goes to the vector `frozen`. */
  freezing<T>(declare: () => T): T {
    this.#isFreezing = true;
    try {
      return declare();
    } finally {
      this.#isFreezing = false;
    }
  }

  /** Makes `next` the statistic's value after a training step. Nothing but what computes `next` may read the old one. */
  update(statistic: Tensor, next: Tensor): void {
    const index = this.#statistics.findIndex(({ tensor }) => tensor === statistic);
    assert(index >= 0, `tensor ${statistic.id} is no statistic`);
    this.#statistics[index] = { ...this.#statistics[index]!, next };
  }

  #place(list: Parameter[], name: string, shape: readonly number[], initializer: Initializer): Tensor {
    const tensor = this.#tensor(f32(...shape));
    const last = list.at(-1);
    const offset = last === undefined ? 0 : alignElements(last.offset + last.length);
    list.push({ name, shape, offset, length: elementCount(tensor.type), tensor, initializer });
    return tensor;
  }

  add<P extends object>(op: Op<P>, inputs: readonly Tensor[], params: P): readonly Tensor[] {
    const types = op.infer(
      inputs.map((input) => input.type),
      params,
    );
    const outputs = types.map((type) => this.#tensor(type));
    this.#nodes.push({ op, params, inputs, outputs });
    return outputs;
  }

  /** `add` for ops with one output. */
  apply<P extends object>(op: Op<P>, inputs: readonly Tensor[], params: P): Tensor {
    return this.add(op, inputs, params)[0]!;
  }

  build(): Graph {
    return {
      nodes: [...this.#nodes],
      inputs: [...this.#inputs],
      parameters: [...this.#parameters],
      statistics: [...this.#statistics],
      frozen: [...this.#frozen],
      tensorCount: this.#tensorCount,
    };
  }
}

/** Where parameters (or statistics) lie in their flat vector. */
export function layoutOf(parameters: readonly Parameter[]): Layout {
  const last = parameters.at(-1);
  return {
    entries: parameters.map(({ name, shape, offset, length }) => ({ name, shape, offset, length })),
    length: last === undefined ? 0 : alignElements(last.offset + last.length),
  };
}
