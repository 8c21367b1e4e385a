// Reference kernels of what keeps gradients within bounds.

import type { ReferenceKernel } from "../kernel.ts";
import { CLIP_EPSILON, clipNorm, type ClipParams, clipValue } from "../ops/clip.ts";

export const clipNormReference: ReferenceKernel<ClipParams> = {
  op: clipNorm,
  run({ params: { maximum } }, [x, squares], [y]) {
    const scale = Math.min(1, maximum / (Math.sqrt(squares![0]!) + CLIP_EPSILON));
    x!.forEach((value, i) => (y![i] = value * scale));
  },
};

export const clipValueReference: ReferenceKernel<ClipParams> = {
  op: clipValue,
  run({ params: { maximum } }, [x], [y]) {
    x!.forEach((value, i) => (y![i] = Math.min(Math.max(value, -maximum), maximum)));
  },
};
