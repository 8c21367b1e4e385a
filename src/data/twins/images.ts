// Images of classes: a class's blurred mean, which a linear model sees, and its texture (a grating of the class's own
// direction, width and colour, anywhere in the image), which takes convolutions to see; under noise, shifted, mirrored.

import { RandomStream } from "../../random.ts";
import type { RowBlock } from "../rows.ts";
import { NORMAL } from "./quantiles.ts";
import type { Twin } from "./twin.ts";
import type { Xoshiro } from "./xoshiro.ts";

export interface ImageClasses {
  readonly name: string;
  readonly size: number;
  readonly channels: 1 | 3;
  readonly classNames: readonly string[];
  /** Amplitudes in grey levels. */
  readonly mean: number;
  readonly texture: number;
  readonly noise: number;
  /** Of a pixel without class, mean and noise. */
  readonly background: number;
  /** Pixels that an image is shifted by at most, in each direction. */
  readonly shift: number;
  readonly mirrored: boolean;
}

const WAVE = Float32Array.from({ length: 256 }, (_, i) => Math.cos((2 * Math.PI * i) / 256));
/** Knots of a mean along each side: between them it is bilinear. */
const KNOTS = 6;

interface ImageClass {
  /** (canvas, canvas, channels) in grey levels; the canvas is larger than an image by twice the shift. */
  readonly mean: Float32Array;
  /** Of the texture, in 256ths of a period a pixel. */
  readonly stepX: number;
  readonly stepY: number;
  /** (channels) in grey levels. */
  readonly colour: Float32Array;
}

export function imageTwin(spec: ImageClasses): Twin {
  const { size, channels, shift, noise, background } = spec;
  const canvas = size + 2 * shift;
  const classes = spec.classNames.map((_, c) => makeClass(spec, canvas, c));
  const rowBytes = size * size * channels;

  function makeRows(random: Xoshiro, count: number): RowBlock {
    const features = new Uint8Array(count * rowBytes);
    const labels = new Float64Array(count);
    const draws = new Uint32Array(rowBytes);
    for (let row = 0; row < count; row++) {
      labels[row] = random.nextInt(classes.length);
      const { mean, stepX, stepY, colour } = classes[labels[row]!]!;
      const phase = random.nextInt(256);
      const left = random.nextInt(2 * shift + 1);
      const top = random.nextInt(2 * shift + 1);
      const mirrored = spec.mirrored && random.nextInt(2) === 1;
      random.fill(draws);
      let at = 0;
      for (let y = 0; y < size; y++) {
        for (let column = 0; column < size; column++) {
          const x = mirrored ? size - 1 - column : column;
          const wave = WAVE[(phase + x * stepX + y * stepY) & 255]!;
          const from = ((y + top) * canvas + x + left) * channels;
          for (let c = 0; c < channels; c++, at++) {
            const level =
              background + mean[from + c]! + wave * colour[c]! + noise * NORMAL[draws[at]! >>> 20]!;
            features[row * rowBytes + at] = Math.max(0, Math.min(255, level));
          }
        }
      }
    }
    return { count, features, labels };
  }

  return {
    facts: {
      featureShape: [size, size, channels],
      featureType: "u8",
      labels: { kind: "classes", values: spec.classNames.map((_, c) => c), names: spec.classNames },
    },
    rowsPerBlock: Math.floor(2 ** 20 / rowBytes),
    makeRows,
  };
}

function makeClass(spec: ImageClasses, canvas: number, index: number): ImageClass {
  const { channels } = spec;
  const stream = new RandomStream(32, `images ${spec.name}`, index);
  const knots = Float64Array.from({ length: KNOTS * KNOTS * channels }, () => stream.nextNormal());
  const knot = (y: number, x: number, c: number) => knots[(y * KNOTS + x) * channels + c]!;
  const mean = new Float32Array(canvas * canvas * channels);
  for (let y = 0, at = 0; y < canvas; y++) {
    const [top, down] = splitKnot(y, canvas);
    for (let x = 0; x < canvas; x++) {
      const [left, right] = splitKnot(x, canvas);
      for (let c = 0; c < channels; c++, at++) {
        const above = knot(top, left, c) * (1 - right) + knot(top, left + 1, c) * right;
        const below = knot(top + 1, left, c) * (1 - right) + knot(top + 1, left + 1, c) * right;
        mean[at] = spec.mean * (above * (1 - down) + below * down);
      }
    }
  }
  // Directions are spread evenly, so that no two classes have one; periods are of 4 to 8 pixels.
  const direction = (Math.PI * (index + 0.5)) / spec.classNames.length;
  const frequency = 32 + 32 * stream.nextUniform();
  return {
    mean,
    stepX: Math.round(frequency * Math.cos(direction)),
    stepY: Math.round(frequency * Math.sin(direction)),
    colour: Float32Array.from({ length: channels }, () => spec.texture * (0.5 + stream.nextUniform())),
  };
}

/** The knot before a pixel and how far the pixel is on the way to the next one. */
function splitKnot(pixel: number, canvas: number): [knot: number, way: number] {
  const position = (pixel * (KNOTS - 1)) / canvas;
  return [Math.floor(position), position - Math.floor(position)];
}
