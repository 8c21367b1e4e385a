// What becomes of an image before it is a row, in whichever thread: decoded, with as many channels and as large as wanted.

import { decodeImage, toRgb } from "./decode-image.ts";
import { resize, type Image } from "./resize.ts";

export interface ImageTask {
  readonly bytes: Uint8Array;
  /** For people. */
  readonly where: string;
  /** Default: as the file has it. */
  readonly channels?: 1 | 3 | undefined;
  /** Default: as the file has it. */
  readonly size?: readonly [height: number, width: number] | undefined;
}

/** One with colours keeps them. @throws SltrainError "data-image" naming `where` */
export async function fitImage({ bytes, where, channels, size }: ImageTask): Promise<Image> {
  const decoded = await decodeImage(bytes, where);
  const image = channels === 3 ? toRgb(decoded) : decoded;
  return size ? resize(image, ...size) : image;
}
