// Kernel of k-means' assignment. Distances are sums of squared differences, by the tiles of products: not
// |x|^2 - 2 x c + |c|^2, which loses all digits where a row lies close to its centroid. A second pass looks for the nearest
// centroid of each row.

import type { KernelCall } from "../../kernel.ts";
import { kmeansAssign } from "../../ops/kmeans-assign.ts";
import { flatPass } from "../emit/flat.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { matrixOperand } from "./matrix.ts";
import { leastCostly } from "./tiles.ts";
import { tilePass } from "./tile.ts";

export const kmeansAssignKernel: WebGpuKernel = {
  name: "f32-kmeans-assign-webgpu",
  op: kmeansAssign,
  accepts: () => true,
  build({ inputs }: KernelCall, target) {
    const [rows, k] = inputs[0]!.shape as [number, number];
    const clusters = inputs[1]!.shape[0]!;
    // distances[clusters, rows]: the second pass' neighbours, which are rows, then read neighbours.
    const a = matrixOperand("centroids", { input: 1 }, "k", { outer: clusters, k });
    const b = matrixOperand("x", { input: 0 }, "k", { outer: rows, k });
    const extents = { m: clusters, n: rows, k };
    const fours = Math.ceil(rows / 4);
    return {
      passes: [
        tilePass(
          leastCostly(extents, target),
          {
            ...{ ...extents, a: a.operand, b: b.operand },
            accumulate: (centroid, x, sum) => `fma(${centroid} - ${x}, ${centroid} - ${x}, ${sum})`,
            store: `$distances[row * ${fours}u + column / 4u] = sums;`,
            bindings: {
              ...{ centroids: a.binding, x: b.binding },
              distances: { of: { scratch: "distances", write: true }, type: "vec4f" },
            },
          },
          target,
        ),
        // As bits, for a compiler may take it that there are no infinities and NaNs: distances are not negative, so that
        // they are in the order of their bits, and NaNs are beyond infinity.
        flatPass({
          count: rows,
          bindings: {
            from: { of: { scratch: "distances" }, type: "u32" },
            assignment: { of: { output: 0 }, type: "u32" },
            distances: { of: { output: 1 }, type: "u32" },
          },
          body: `var nearest = 0u; var least = 0x7f800000u;
  for (var cluster = 0u; cluster < ${clusters}u; cluster++) {
    let distance = $from[cluster * ${4 * fours}u + i];
    if (distance < least) { least = distance; nearest = cluster; }
  }
  $assignment[i] = nearest; $distances[i] = least;`,
        }),
      ],
      scratch: { distances: clusters * 4 * fours },
    };
  },
};
