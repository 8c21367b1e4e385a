// Residual networks (K. He et al., "Deep residual learning for image recognition", 2015), with batch norm behind every
// convolution. Where the shape changes, the shortcut is a 1x1 convolution with batch norm (the paper's option B).
// Strided windows are padded as TensorFlow's "same"; bottlenecks stride in their 3x3 convolution, as is common today.

import {
  activation,
  add,
  batchNormalization,
  Composer,
  conv2d,
  globalAveragePooling2d,
  maxPooling2d,
} from "./compose.ts";
import { answer, image, type ModelIo } from "./model-io.ts";
import { MODEL_INPUT, type Topology } from "./topology.ts";

export interface Stages {
  /** Residual blocks by stage. */
  readonly blocks: readonly number[];
  /** Channels of the first stage; each further one has twice as many. */
  readonly width: number;
  /** Blocks of 1x1, 3x3 and 1x1 convolutions, the last one four times as wide, instead of two of 3x3. */
  readonly bottleneck: boolean;
}

export const resNet20: Stages = { blocks: [3, 3, 3], width: 16, bottleneck: false };
export const resNet32: Stages = { blocks: [5, 5, 5], width: 16, bottleneck: false };
export const resNet34: Stages = { blocks: [3, 4, 6, 3], width: 64, bottleneck: false };
export const resNet50: Stages = { blocks: [3, 4, 6, 3], width: 64, bottleneck: true };

/** Section 4.2, for small images. There: three stages, 16 channels in the first, no bottlenecks. */
export function smallResNet(name: string, stages: Stages, io: ModelIo): Topology {
  const composer = new Composer();
  const stem = convNorm(composer, MODEL_INPUT, { filters: stages.width, size: 3, activation: "relu" });
  addStages(composer, stem, stages);
  return finish(composer, name, image(name, io, 8), io);
}

/** Table 1, for photos. There: four stages, 64 channels in the first. */
export function resNet(name: string, stages: Stages, io: ModelIo): Topology {
  const composer = new Composer();
  convNorm(composer, MODEL_INPUT, { filters: stages.width, size: 7, stride: 2, activation: "relu" });
  const stem = composer.add(maxPooling2d([3, 3], { strides: [2, 2], padding: "same" }));
  addStages(composer, stem, stages);
  return finish(composer, name, image(name, io, 32), io);
}

function finish(composer: Composer, name: string, inputShape: readonly number[], io: ModelIo): Topology {
  composer.add(globalAveragePooling2d());
  composer.add(answer(io));
  return composer.topology(name, inputShape);
}

/** Every stage but the first halves height and width in its first block. */
function addStages(composer: Composer, stem: string, { blocks, width, bottleneck }: Stages): void {
  let x = stem;
  blocks.forEach((count, stage) => {
    for (let block = 0; block < count; block++) {
      const filters = width * 2 ** stage;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const changesShape = block === 0 && (stage > 0 || bottleneck);
      const output = bottleneck ? 4 * filters : filters;
      const main = bottleneck
        ? bottleneckPath(composer, x, filters, stride)
        : basicPath(composer, x, filters, stride);
      const shortcut = changesShape ? convNorm(composer, x, { filters: output, size: 1, stride }) : x;
      composer.add(add(), main, shortcut);
      x = composer.add(activation("relu"));
    }
  });
}

function basicPath(composer: Composer, x: string, filters: number, stride: number): string {
  const inner = convNorm(composer, x, { filters, size: 3, stride, activation: "relu" });
  return convNorm(composer, inner, { filters, size: 3 });
}

function bottleneckPath(composer: Composer, x: string, filters: number, stride: number): string {
  const narrow = convNorm(composer, x, { filters, size: 1, activation: "relu" });
  const inner = convNorm(composer, narrow, { filters, size: 3, stride, activation: "relu" });
  return convNorm(composer, inner, { filters: 4 * filters, size: 1 });
}

interface ConvNorm {
  readonly filters: number;
  /** Of the square window. */
  readonly size: number;
  readonly stride?: number;
  readonly activation?: "relu";
}

function convNorm(composer: Composer, x: string, { filters, size, stride = 1, ...rest }: ConvNorm): string {
  const strides = [stride, stride] as const;
  composer.add(conv2d(filters, [size, size], { strides, useBias: false, kernelInitializer: "HeNormal" }), x);
  const normed = composer.add(batchNormalization({ momentum: 0.9, epsilon: 1e-5 }));
  return rest.activation === undefined ? normed : composer.add(activation(rest.activation));
}
