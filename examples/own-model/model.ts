// A small residual network for any images, in sltrain's layers: npx sltrain train --model examples/own-model/model.ts

import {
  add,
  batchNormalization,
  activation,
  conv2d,
  dense,
  globalAveragePooling2d,
  input,
  maxPooling2d,
  model,
  type ModelIo,
  type SymbolicTensor,
} from "sltrain/layers";

function block(x: SymbolicTensor, filters: number): SymbolicTensor {
  const inner = conv2d(filters, [3, 3], { activation: "relu" })(x);
  const normed = batchNormalization({ momentum: 0.9 })(conv2d(filters, [3, 3], { useBias: false })(inner));
  return activation("relu")(add()(x, normed));
}

/** `io` says what the data needs: the shape of a sample, and how many outputs. */
export default function ({ inputShape, outputs }: ModelIo) {
  const x = input(inputShape);
  const stem = maxPooling2d([2, 2])(conv2d(8, [3, 3], { activation: "relu" })(x));
  const features = globalAveragePooling2d()(block(block(stem, 8), 8));
  return model(x, dense(outputs, { activation: "softmax", name: "classes" })(features));
}
