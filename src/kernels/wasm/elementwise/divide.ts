// A vector divided by one number, rounded as IEEE 754 has it.

import { divide } from "../../ops/divide.ts";
import { f32x4, v128 } from "../../../wasm/instructions.ts";
import { elementwiseKernel } from "./elementwise.ts";

export const divideKernel = elementwiseKernel({
  op: divide,
  elementInputs: 1,
  formula({ locals, uniforms }) {
    const divisor = locals.local("v128");
    return {
      setup: divisor.set(v128.load32Splat(uniforms[0]!, 0)),
      lanes: ([x]) => ({ body: [], outputs: [f32x4.div(x!, divisor)] }),
    };
  },
});
