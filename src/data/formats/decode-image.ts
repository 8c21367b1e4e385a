// PNG and JPEG to 8-bit grey or RGB. Transparency is left out, 16 bits are cut to 8, palettes become RGB. JPEG marked as
// rotated stays as it lies in the file. The decoders (fast-png, jpeg-js) are loaded by the first image.

import type { DecodedPng } from "fast-png";
import { SltrainError } from "../../errors.ts";
import type { Image } from "./resize.ts";

/** A photo of 100 megapixels; an image that says it is larger is damaged or made to harm. */
const MAX_MEGAPIXELS = 100;

export function imageKind(bytes: Uint8Array): "png" | "jpeg" | undefined {
  if (bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47) return "png";
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return "jpeg";
  return undefined;
}

/** By the header alone: 1 for grey, 3 for colours, undefined for what is no image. */
export function imageChannels(bytes: Uint8Array): 1 | 3 | undefined {
  switch (imageKind(bytes)) {
    case "png":
      // The colour type in IHDR: 0 and 4 are grey, 2, 3 (a palette) and 6 have colours.
      return bytes[25] === 0 || bytes[25] === 4 ? 1 : 3;
    case "jpeg":
      return jpegComponents(bytes) === 1 ? 1 : 3;
    case undefined:
      return undefined;
  }
}

/** @throws SltrainError "data-image" naming `where` */
export async function decodeImage(bytes: Uint8Array, where: string): Promise<Image> {
  const kind = imageKind(bytes);
  if (!kind) {
    const got = bytes.length === 0 ? "an empty file" : `bytes that begin with ${hex(bytes.subarray(0, 4))}`;
    throw imageError(where, "a PNG or JPEG image", got);
  }
  try {
    return kind === "png" ? await decodePng(bytes) : await decodeJpeg(bytes);
  } catch (cause) {
    // Decoders put what zlib says behind a colon, and it may say nothing.
    const problem = (cause as Error).message.replace(/:\s*$/, "") || "one that is damaged";
    throw imageError(where, `a ${kind.toUpperCase()} image that decodes`, problem, cause);
  }
}

async function decodePng(bytes: Uint8Array): Promise<Image> {
  const { decode, convertIndexedToRgb } = await import("fast-png");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length > 24) refuseHuge(view.getUint32(16), view.getUint32(20));
  const png = decode(bytes, { checkCrc: true });
  const { width, height } = png;
  if (png.palette) {
    const values = convertIndexedToRgb(png);
    return takeChannels({ width, height, values, stored: values.length / (width * height), shift: 0 });
  }
  if (png.depth < 8) return { width, height, channels: 1, pixels: unpackBits(png) };
  return takeChannels({
    ...{ width, height, values: png.data, stored: png.channels },
    shift: png.depth === 16 ? 8 : 0,
  });
}

async function decodeJpeg(bytes: Uint8Array): Promise<Image> {
  const { default: jpeg } = await import("jpeg-js");
  const components = jpegComponents(bytes);
  const { width, height, data } = jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: MAX_MEGAPIXELS,
    maxMemoryUsageInMB: 2048,
  });
  const stored = data.length / (width * height);
  // What has one component in the file comes as three equal channels.
  return takeChannels({ width, height, values: data, stored, shift: 0 }, components === 1 ? 1 : 3);
}

/** Of the frame header (SOF0..SOF15 but DHT, JPG and DAC: ITU-T T.81, table B.1); 3 where there is none to be found. */
function jpegComponents(bytes: Uint8Array): number {
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return bytes[at + 9]!;
    at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return 3;
}

interface Stored {
  readonly width: number;
  readonly height: number;
  readonly values: ArrayLike<number>;
  /** Values per pixel in `values`. */
  readonly stored: number;
  /** Of 16-bit values, to the right. */
  readonly shift: number;
}

/** The first of two channels and the first three of four: without the last one, which is transparency. */
function takeChannels(
  { width, height, values, stored, shift }: Stored,
  channels = stored < 3 ? 1 : 3,
): Image {
  const pixels = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; to < pixels.length; from += stored) {
    for (let c = 0; c < channels; c++) pixels[to++] = values[from + c]! >> shift;
  }
  return { width, height, channels, pixels };
}

/** Grey of 1, 2 or 4 bits: rows of whole bytes, the first pixel in the highest bits; stretched to 0..255. */
function unpackBits({ width, height, depth, data }: DecodedPng): Uint8Array {
  const highest = (1 << depth) - 1;
  const rowBytes = Math.ceil((width * depth) / 8);
  const pixels = new Uint8Array(width * height);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++, to++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)]!;
      pixels[to] = (((byte >> (8 - depth - (bit & 7))) & highest) * 255) / highest;
    }
  }
  return pixels;
}

/** An image with three equal channels where it is grey; one that is not grey cannot lose its colours. */
export function toRgb(image: Image): Image {
  if (image.channels === 3) return image;
  const pixels = new Uint8Array(3 * image.pixels.length);
  image.pixels.forEach((level, i) => pixels.fill(level, 3 * i, 3 * i + 3));
  return { ...image, channels: 3, pixels };
}

function refuseHuge(width: number, height: number): void {
  const megapixels = (width * height) / 1e6;
  if (megapixels > MAX_MEGAPIXELS) {
    throw new Error(`expected at most ${MAX_MEGAPIXELS} megapixels, got ${width} x ${height}`);
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function imageError(where: string, expected: string, got: string, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "data-image",
    message: `${where}: expected ${expected}, got ${got}`,
    cause,
    suggestions: ["Replace or remove the image.", "Leave such images out: --on-bad-record skip"],
  });
}
