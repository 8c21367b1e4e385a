// bias-add and column-sum: a matrix and a vector of its width.

import type { KernelCall } from "../../kernel.ts";
import { biasAdd, columnSum } from "../../ops/bias.ts";
import { rowsOf } from "../../ops/concat.ts";
import { elementCount } from "../../tensor.ts";
import { elementType } from "../emit/elements.ts";
import { flatPass, storeVec4 } from "../emit/flat.ts";
import { columnSums, columnWidth } from "../emit/sums.ts";
import type { WebGpuKernel } from "../kernel.ts";

const biasAddKernel: WebGpuKernel = {
  name: "f32-bias-add-webgpu",
  op: biasAdd,
  accepts: () => true,
  build({ inputs }: KernelCall) {
    const elements = elementCount(inputs[0]!);
    const columns = inputs[1]!.shape[0]!;
    // Rows that are no whole vec4s still are read and written as such, without regard to where they end.
    const gathered = [0, 1, 2, 3].map((lane) => `$bias[(c + ${lane}u) % ${columns}u]`);
    const aligned = columnWidth(columns) === 4;
    const bias = aligned ? `$bias[i % ${columns / 4}u]` : `vec4f(${gathered.join(", ")})`;
    return {
      passes: [
        flatPass({
          count: Math.ceil(elements / 4),
          bindings: {
            x: { of: { input: 0 }, type: "vec4f" },
            bias: { of: { input: 1 }, type: aligned ? "vec4f" : "f32" },
            y: { of: { output: 0 }, type: "vec4f" },
          },
          body: `${aligned ? "" : `let c = (4u * i) % ${columns}u;`}
  ${storeVec4("y", `$x[i] + ${bias}`, elements)}`,
        }),
      ],
    };
  },
};

const columnSumKernel: WebGpuKernel = {
  name: "f32-column-sum-webgpu",
  op: columnSum,
  accepts: () => true,
  build({ inputs }: KernelCall, target) {
    const columns = inputs[0]!.shape.at(-1)!;
    const type = elementType(columnWidth(columns));
    return columnSums(
      {
        ...{ rows: rowsOf(inputs[0]!), columns },
        bindings: { x: { of: { input: 0 }, type } },
        terms: ["$x[i]"],
        resultBindings: { y: { of: { output: 0 }, type } },
        results: "$y[c] = sum0;",
      },
      target,
    );
  },
};

export const columnKernels: readonly WebGpuKernel[] = [biasAddKernel, columnSumKernel];
