// Reference kernels of conv2d and its gradients: every channel of x meets every channel of y.

import { conv2d, conv2dFilterGrad, conv2dGeometry, conv2dInputGrad } from "../ops/conv2d.ts";
import { convolutionReferences } from "./convolution-sums.ts";

export const {
  forward: conv2dReference,
  inputGrad: conv2dInputGradReference,
  filterGrad: conv2dFilterGradReference,
} = convolutionReferences({
  forward: conv2d,
  inputGrad: conv2dInputGrad,
  filterGrad: conv2dFilterGrad,
  geometryOf: conv2dGeometry,
  forEachChannel({ C, N }, pixel, tap, output, visit) {
    for (let c = 0; c < C; c++)
      for (let n = 0; n < N; n++) visit(pixel * C + c, (tap * C + c) * N + n, output * N + n);
  },
});
