// Resizing of images as Pillow's BILINEAR does it: a triangle filter, as wide as an output pixel where the image becomes
// smaller, so that every input pixel counts (without that, fine textures alias).

/** (height, width, channels), row-major. */
export interface Image {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly pixels: Uint8Array;
}

export function resize(image: Image, height: number, width: number): Image {
  if (image.height === height && image.width === width) return image;
  const { channels } = image;
  const across = filterOf(image.width, width);
  const down = filterOf(image.height, height);
  // (image.height, width, channels)
  const wide = new Float32Array(image.height * width * channels);
  for (let y = 0, to = 0; y < image.height; y++) {
    for (const { first, weights } of across) {
      for (let c = 0; c < channels; c++, to++) {
        let sum = 0;
        let from = (y * image.width + first) * channels + c;
        for (let i = 0; i < weights.length; i++, from += channels) sum += weights[i]! * image.pixels[from]!;
        wide[to] = sum;
      }
    }
  }
  const pixels = new Uint8Array(height * width * channels);
  const rowElements = width * channels;
  down.forEach(({ first, weights }, y) => {
    for (let x = 0; x < rowElements; x++) {
      let sum = 0.5;
      let from = first * rowElements + x;
      for (let i = 0; i < weights.length; i++, from += rowElements) sum += weights[i]! * wide[from]!;
      pixels[y * rowElements + x] = Math.min(255, sum);
    }
  });
  return { height, width, channels, pixels };
}

interface Taps {
  /** The first input pixel that counts. */
  readonly first: number;
  /** They add up to 1. */
  readonly weights: Float64Array;
}

/** Of each output pixel. */
function filterOf(inputs: number, outputs: number): readonly Taps[] {
  const scale = inputs / outputs;
  const support = Math.max(1, scale);
  return Array.from({ length: outputs }, (_, output) => {
    const centre = (output + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(inputs, Math.trunc(centre + support + 0.5));
    const weights = Float64Array.from({ length: end - first }, (__, i) =>
      Math.max(0, 1 - Math.abs((first + i + 0.5 - centre) / support)),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}
