// Kernels of what keeps gradients within bounds. What is no number stays none, hence `select`.

import { CLIP_EPSILON, clipNorm, type ClipParams, clipValue } from "../../ops/clip.ts";
import { float } from "../emit/elements.ts";
import type { WebGpuKernel } from "../kernel.ts";
import { elementwiseKernel } from "./elementwise.ts";

export const clipKernels: readonly WebGpuKernel[] = [
  elementwiseKernel<ClipParams>({
    ...{ op: clipNorm, inputs: ["x"], uniforms: ["squares"] },
    formula: ({ params: { maximum } }) => ({
      body: `let share = ${float(maximum)} / (sqrt($squares[0]) + ${float(CLIP_EPSILON)});`,
      outputs: ["x * select(share, 1.0, share > 1.0)"],
    }),
  }),
  elementwiseKernel<ClipParams>({
    ...{ op: clipValue, inputs: ["x"] },
    formula: ({ params: { maximum } }) => ({
      body: `let high = vec4f(${float(maximum)}); let low = -high;`,
      outputs: ["select(select(x, low, x < low), high, x > high)"],
    }),
  }),
];
