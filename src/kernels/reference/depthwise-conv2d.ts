// Reference kernels of depthwise convolution and its gradients: a channel of y meets one channel of x.

import {
  depthwiseConv2d,
  depthwiseConv2dFilterGrad,
  depthwiseConv2dInputGrad,
  depthwiseGeometry,
} from "../ops/depthwise-conv2d.ts";
import { convolutionReferences } from "./convolution-sums.ts";

export const {
  forward: depthwiseConv2dReference,
  inputGrad: depthwiseConv2dInputGradReference,
  filterGrad: depthwiseConv2dFilterGradReference,
} = convolutionReferences({
  forward: depthwiseConv2d,
  inputGrad: depthwiseConv2dInputGrad,
  filterGrad: depthwiseConv2dFilterGrad,
  geometryOf: depthwiseGeometry,
  forEachChannel({ C, M, N }, pixel, tap, output, visit) {
    for (let n = 0; n < N; n++) visit(pixel * C + Math.floor(n / M), tap * N + n, output * N + n);
  },
});
