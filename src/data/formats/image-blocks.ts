// Decoded images on their way into blocks of rows: all of one size and one number of channels.

import { SltrainError } from "../../errors.ts";
import type { ReadOptions } from "../format.ts";
import type { RowBlock } from "../rows.ts";
import { decodeImage, toRgb } from "./decode-image.ts";
import { resize, type Image } from "./resize.ts";

const BLOCK_BYTES = 2 ** 20;

/** The first image sets the size, unless the user does, and the channels, unless `channels` does. */
export class ImageBlocks {
  readonly #imageSize: ReadOptions["imageSize"];
  #channels: 1 | 3 | undefined;
  #shape: readonly [height: number, width: number] | undefined;
  #first = "";
  #images: Uint8Array[] = [];
  #labels: number[] = [];

  constructor({ imageSize }: ReadOptions, channels?: 1 | 3) {
    this.#imageSize = imageSize;
    this.#channels = channels;
  }

  /** (height, width, channels) */
  get featureShape(): readonly number[] {
    return [...(this.#shape ?? [0, 0]), this.#channels ?? 1];
  }

  /**
   * Adds an image; returns a block when there is one.
   * @throws SltrainError "data-image" or "data-shape" naming `where`
   */
  async add(bytes: Uint8Array, label: number, where: string): Promise<RowBlock | undefined> {
    return this.addDecoded(await decodeImage(bytes, where), label, where);
  }

  addDecoded(decoded: Image, label: number, where: string): RowBlock | undefined {
    const size = (this.#shape ??= this.#imageSize ?? [decoded.height, decoded.width]);
    if (this.#first === "") this.#first = where;
    const [height, width] = size;
    if (!this.#imageSize && (decoded.height !== height || decoded.width !== width)) {
      throw new SltrainError({
        code: "data-shape",
        message:
          `${where}: expected ${height} x ${width} pixels (height x width), as ${this.#first} has them, ` +
          `got ${decoded.height} x ${decoded.width}`,
        suggestions: [`Have all images resized: --image-size ${height}x${width}`],
      });
    }
    this.#channels ??= decoded.channels === 1 ? 1 : 3;
    if (this.#channels < decoded.channels) {
      throw new SltrainError({
        code: "data-shape",
        message: `${where}: expected a grey image, as ${this.#first} is one, got one with colours`,
        suggestions: ["Store all images with three channels, or all of them grey."],
      });
    }
    const image = this.#channels === 3 ? toRgb(decoded) : decoded;
    this.#images.push(resize(image, height, width).pixels);
    this.#labels.push(label);
    const rowBytes = this.#images[0]!.length;
    return this.#images.length * rowBytes >= BLOCK_BYTES ? this.finish() : undefined;
  }

  /** What has been added since the last block. */
  finish(): RowBlock | undefined {
    const count = this.#images.length;
    if (count === 0) return undefined;
    const block = {
      count,
      features: new Uint8Array(Buffer.concat(this.#images)),
      labels: Float64Array.from(this.#labels),
    };
    this.#images = [];
    this.#labels = [];
    return block;
  }
}
