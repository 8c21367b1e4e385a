// Random graphs for property tests: branches, several uses, views, ops in place, results that views and others share.

import { GraphBuilder, type Graph } from "../../src/graph/graph.ts";
import type { Tensor } from "../../src/kernels/op.ts";
import { ops } from "../../src/kernels/ops/index.ts";
import { elementCount, f32 } from "../../src/kernels/tensor.ts";
import { RandomStream } from "../../src/random.ts";

export interface RandomGraph {
  readonly graph: Graph;
  /** f32[1] */
  readonly objective: Tensor;
  readonly results: Readonly<Record<string, Tensor>>;
}

/** A function of `seed`. Tensors are f32[2..9, 3..80], so that some need one alignment unit and some several. */
export function randomGraph(seed: number): RandomGraph {
  const random = new RandomStream(seed, "graph");
  const builder = new GraphBuilder();
  const rows = 2 + random.nextInt(8);
  const tensors: Tensor[] = [builder.input("x", f32(rows, 3 + random.nextInt(40)))];
  let parameterCount = 0;
  const parameter = (...shape: number[]): Tensor =>
    builder.parameter(`p${parameterCount++}`, shape, {
      kind: "glorot-uniform",
      fanIn: shape[0]!,
      fanOut: shape.at(-1)!,
    });

  const pick = (): Tensor => tensors[random.nextInt(tensors.length)]!;
  const columnsOf = (x: Tensor): number => x.type.shape[1]!;
  const steps: readonly (() => Tensor)[] = [
    () => builder.apply(ops.tanh, [pick()], {}),
    () => builder.apply(ops.sigmoid, [pick()], {}),
    () => {
      const x = pick();
      return builder.apply(ops["bias-add"], [x, parameter(columnsOf(x))], {});
    },
    () => {
      const x = pick();
      const weights = parameter(columnsOf(x), 3 + random.nextInt(78));
      return builder.apply(ops.dense, [x, weights], { activation: "none" });
    },
    () => {
      const x = pick();
      const same = tensors.filter((other) => columnsOf(other) === columnsOf(x));
      return builder.apply(ops.add, [x, same[random.nextInt(same.length)]!], {});
    },
    () => {
      const x = pick();
      const flat = builder.apply(ops.reshape, [x], { shape: [elementCount(x.type)] });
      return builder.apply(ops.reshape, [flat], { shape: x.type.shape });
    },
    () => {
      const x = pick();
      const shape = x.type.shape;
      // A parameter used as it is: its gradient passes through a view and an addition.
      return builder.apply(
        ops.add,
        [x, builder.apply(ops.reshape, [parameter(elementCount(x.type))], { shape })],
        {},
      );
    },
  ];
  for (let i = 0; i < 14; i++) tensors.push(steps[random.nextInt(steps.length)]!());

  const last = tensors.at(-1)!;
  const target = builder.input("target", last.type);
  const [objective] = builder.add(ops["mean-squared-error"], [last, target], {});
  const flat = builder.apply(ops.reshape, [last], { shape: [elementCount(last.type)] });
  const results = { objective: objective!, last, flat, any: pick() };
  return { graph: builder.build(), objective: objective!, results };
}
