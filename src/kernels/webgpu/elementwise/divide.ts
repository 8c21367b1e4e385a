// A vector divided by one number.

import type { KernelCall } from "../../kernel.ts";
import { divide } from "../../ops/divide.ts";
import { elementCount } from "../../tensor.ts";
import { flatPass, storeVec4 } from "../emit/flat.ts";
import type { WebGpuKernel } from "../kernel.ts";

export const divideKernel: WebGpuKernel = {
  name: "f32-divide-webgpu",
  op: divide,
  accepts: () => true,
  build: ({ outputs }: KernelCall) => {
    const elements = elementCount(outputs[0]!);
    const pass = flatPass({
      count: Math.ceil(elements / 4),
      bindings: {
        x: { of: { input: 0 }, type: "vec4f" },
        divisor: { of: { input: 1 }, type: "f32" },
        y: { of: { output: 0 }, type: "vec4f" },
      },
      body: storeVec4("y", "$x[i] / $divisor[0]", elements),
    });
    return { passes: [pass] };
  },
};
