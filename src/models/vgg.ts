// VGG (K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014, table 1),
// with He's initial weights: from Glorot's, nineteen layers without batch norm hardly learn.

import { conv2d, dense, dropout, flatten, maxPooling2d, sequential } from "./compose.ts";
import { answer, image, type ModelIo } from "./model-io.ts";
import type { Topology } from "./topology.ts";

export interface VggSizes {
  /** 3x3 convolutions before each of the five pools. */
  readonly convolutions: readonly number[];
  /** Channels of the first convolutions, doubled behind each pool up to eight times as many. 64 in the paper. */
  readonly width: number;
  /** Units of the two hidden dense layers: 4096 in the paper. */
  readonly units: number;
}

export const vgg19: VggSizes = { convolutions: [2, 2, 4, 4, 4], width: 64, units: 4096 };

export function vgg(name: string, { convolutions, width, units }: VggSizes, io: ModelIo): Topology {
  const he = { activation: "relu", kernelInitializer: "HeNormal" } as const;
  const hidden = { ...dense(units), ...he };
  return sequential(name, image(name, io, 32), [
    ...convolutions.flatMap((count, level) => [
      ...Array.from({ length: count }, () => conv2d(width * Math.min(2 ** level, 8), [3, 3], he)),
      maxPooling2d([2, 2]),
    ]),
    ...[flatten(), hidden, dropout(0.5), hidden, dropout(0.5), answer(io)],
  ]);
}
