// Dropout: an invocation for each Philox block, which is four elements of a row.

import type { KernelCall } from "../../kernel.ts";
import { dropout, DROPOUT_KEY, dropoutThreshold, type DropoutParams } from "../../ops/dropout.ts";
import { elementCount } from "../../tensor.ts";
import { elementType, float } from "../emit/elements.ts";
import { flatPass } from "../emit/flat.ts";
import { PHILOX } from "../emit/philox.ts";
import type { WebGpuKernel } from "../kernel.ts";

export const dropoutKernel: WebGpuKernel = {
  name: "f32-dropout-webgpu",
  op: dropout,
  accepts: () => true,
  build(call: KernelCall) {
    const { rate, layer } = call.params as DropoutParams;
    const rows = call.inputs[0]!.shape[0]!;
    const rowElements = elementCount(call.inputs[0]!) / rows;
    const blocks = Math.ceil(rowElements / 4);
    const aligned = rowElements % 4 === 0;
    const type = elementType(aligned ? 4 : 1);
    const scale = float(1 / (1 - rate));
    return {
      passes: [
        flatPass({
          count: rows * blocks,
          bindings: {
            x: { of: { input: 0 }, type },
            counters: { of: { input: 1 }, type: "u32" },
            y: { of: { output: 0 }, type },
          },
          module: PHILOX,
          body: `let row = i / ${blocks}u;
  let block = i % ${blocks}u;
  let words = philox(
    vec4u(block, $counters[0], $counters[1] + row, ${layer >>> 0}u),
    vec2u($counters[2], ${DROPOUT_KEY}u),
  );
  let kept = (words >> vec4u(8u)) >= vec4u(${dropoutThreshold(rate)}u);
  ${
    aligned
      ? `$y[i] = select(vec4f(), $x[i] * ${scale}, kept);`
      : `for (var e = 0u; e < min(4u, ${rowElements}u - 4u * block); e++) {
    let at = row * ${rowElements}u + 4u * block + e;
    $y[at] = select(0.0, $x[at] * ${scale}, kept[e]);
  }`
  }`,
        }),
      ],
    };
  },
};
