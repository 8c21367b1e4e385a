// Images as training sees them: mirrored at random, and moved by a few pixels (He et al. 2015, section 4.2). What becomes of
// an image is a function of seed, epoch and row, so it is the same on any worker, for any number of them, and when repeated.

import { SltrainError } from "../errors.ts";
import { hashName, philox4x32 } from "../random.ts";
import { rowElements, type Transform } from "./dataset.ts";

export interface Augmentation {
  /** Whether half of the images are mirrored, left for right. */
  readonly flip: boolean;
  /** Pixels by which an image moves at most, up or down and left or right; what is then missing is black. */
  readonly cropPixels: number;
}

/** As users write it: flip, crop:PIXELS, or both between commas. */
export const augmentForms: readonly string[] = ["flip", "crop:4", "flip,crop:4"];

const MOST_PIXELS = 64;

/** Throws SltrainError "augment-invalid". */
export function parseAugment(spec: string): Augmentation {
  const words = spec.split(",").map((word) => word.trim());
  const crops = words.flatMap((word) => /^crop:(\d+)$/.exec(word)?.[1] ?? []).map(Number);
  const flips = words.filter((word) => word === "flip").length;
  const [cropPixels = 0] = crops;
  const isKnown = crops.length + flips === words.length && crops.length <= 1 && flips <= 1;
  if (isKnown && crops.every((pixels) => pixels >= 1 && pixels <= MOST_PIXELS))
    return { flip: flips === 1, cropPixels };
  throw new SltrainError({
    code: "augment-invalid",
    message: `expected flip, crop:PIXELS (1 to ${MOST_PIXELS}) or both, got ${JSON.stringify(spec)}`,
    suggestions: ["For small photos: flip,crop:4."],
  });
}

export interface AugmenterOptions {
  readonly augmentation: Augmentation;
  /** [height, width, channels] */
  readonly featureShape: readonly number[];
  /** What a black pixel becomes follows from it. */
  readonly transform: Transform;
  readonly seed: number;
}

export class Augmenter {
  readonly #options: AugmenterOptions;
  readonly #stream = hashName("augment");
  readonly #draw = new Uint32Array(4);
  /** The image as it was. */
  readonly #image: Float32Array;
  readonly #black: Float32Array;

  constructor(options: AugmenterOptions) {
    const { featureShape, transform } = options;
    this.#options = options;
    const elements = rowElements(featureShape);
    this.#image = new Float32Array(elements);
    const { offset } = transform;
    this.#black = Float32Array.from({ length: elements }, (_, i) => offset[offset.length > 1 ? i : 0]!);
  }

  /** Changes `image` f32[height, width, channels], which is row `row` of the training split, in place. */
  apply(image: Float32Array, row: number, epoch: number): void {
    const { augmentation, featureShape, seed } = this.#options;
    const [height, width, channels] = featureShape as [number, number, number];
    const { flip, cropPixels } = augmentation;
    philox4x32(row, epoch, 0, 0, seed, this.#stream, this.#draw);
    const [coin, down, right] = this.#draw as unknown as [number, number, number];
    const mirrored = flip && (coin & 1) === 1;
    const [dy, dx] = [down, right].map((bits) => (bits % (2 * cropPixels + 1)) - cropPixels) as [
      number,
      number,
    ];
    if (!mirrored && dy === 0 && dx === 0) return;
    this.#image.set(image);
    image.set(this.#black);
    const [firstX, lastX] = [Math.max(0, -dx), Math.min(width, width - dx)];
    for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
      const from = (y + dy) * width;
      if (!mirrored) {
        const begin = (from + firstX + dx) * channels;
        const end = (from + lastX + dx) * channels;
        image.set(this.#image.subarray(begin, end), (y * width + firstX) * channels);
        continue;
      }
      for (let x = firstX; x < lastX; x++) {
        const source = (from + x + dx) * channels;
        const target = (y * width + width - 1 - x) * channels;
        for (let c = 0; c < channels; c++) image[target + c] = this.#image[source + c]!;
      }
    }
  }
}
