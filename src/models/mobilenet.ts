// MobileNet (A. Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications",
// 2017, table 1), as Keras has it: batch norm and relu6 behind every convolution. Strided windows are padded as
// TensorFlow's "same". Keras's dropout of 0.001 ahead of the classes is left out.

import {
  activation,
  batchNormalization,
  conv2d,
  depthwiseConv2d,
  globalAveragePooling2d,
  sequential,
} from "./compose.ts";
import { answer, image, type ModelIo } from "./model-io.ts";
import type { Topology } from "./topology.ts";

export interface MobileNetSizes {
  /** The width multiplier: of all channels. */
  readonly alpha: number;
  /** The first so many of the 13 blocks; all if left out. */
  readonly blocks?: number;
}

/** Channels and stride of each block: a 3x3 depthwise convolution, which strides, and a 1x1 convolution. */
const BLOCKS: readonly (readonly [channels: number, stride: number])[] = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
];
const STEM_CHANNELS = 32;

export function mobileNet(name: string, { alpha, blocks }: MobileNetSizes, io: ModelIo): Topology {
  const norm = [batchNormalization(), activation("relu6")];
  const channels = (count: number) => Math.max(1, Math.floor(count * alpha));
  const options = (stride: number) => ({ strides: [stride, stride], useBias: false }) as const;
  return sequential(name, image(name, io, 32), [
    ...[conv2d(channels(STEM_CHANNELS), [3, 3], options(2)), ...norm],
    ...BLOCKS.slice(0, blocks).flatMap(([count, stride]) => [
      ...[depthwiseConv2d([3, 3], options(stride)), ...norm],
      ...[conv2d(channels(count), [1, 1], options(1)), ...norm],
    ]),
    ...[globalAveragePooling2d(), answer(io)],
  ]);
}
