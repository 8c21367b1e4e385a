// Kernels of what keeps gradients within bounds. What is no number stays none.

import { CLIP_EPSILON, clipNorm, type ClipParams, clipValue } from "../../ops/clip.ts";
import { f32x4, v128 } from "../../../wasm/instructions.ts";
import type { WasmKernel } from "../kernel.ts";
import { elementwiseKernel } from "./elementwise.ts";

export const clipKernels: readonly WasmKernel[] = [
  elementwiseKernel<ClipParams>({
    op: clipNorm,
    elementInputs: 1,
    variant: ({ maximum }) => String(maximum),
    formula({ math, locals, uniforms, call }) {
      const scale = locals.local("v128");
      const norm = f32x4.sqrt(v128.load32Splat(uniforms[0]!, 0));
      const share = f32x4.div(
        math.constant(call.params.maximum),
        f32x4.add(norm, math.constant(CLIP_EPSILON)),
      );
      return {
        setup: scale.set(f32x4.pmin(share, math.constant(1))),
        lanes: ([x]) => ({ body: [], outputs: [f32x4.mul(x!, scale)] }),
      };
    },
  }),
  elementwiseKernel<ClipParams>({
    op: clipValue,
    elementInputs: 1,
    variant: ({ maximum }) => String(maximum),
    formula: ({ math, call }) => ({
      lanes: ([x]) => ({
        body: [],
        outputs: [
          f32x4.pmin(f32x4.pmax(x!, math.constant(-call.params.maximum)), math.constant(call.params.maximum)),
        ],
      }),
    }),
  }),
];
