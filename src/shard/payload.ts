// A chunk's values to the payload of a frame and back: the codec, then zstd where that makes it smaller.

import type { Codec } from "./codec/codec.ts";
import { type Frame, frameDamaged } from "./frame.ts";
import type { Zstd } from "./zstd.ts";

export interface Payload {
  readonly zstd: boolean;
  /** May view the values that it was made from. */
  readonly parts: readonly Uint8Array[];
}

/** Compresses `encoded` if that pays. Large payloads give a promise; `encoded` must not change before it settles. */
export function packPayload(encoded: Uint8Array, zstd: Zstd): Payload | Promise<Payload> {
  const compressed = zstd.compress(encoded);
  return compressed instanceof Promise
    ? compressed.then((frames) => smaller(encoded, frames))
    : smaller(encoded, compressed);
}

function smaller(encoded: Uint8Array, frames: readonly Uint8Array[]): Payload {
  const compressedBytes = frames.reduce((total, frame) => total + frame.byteLength, 0);
  return compressedBytes < encoded.byteLength
    ? { zstd: true, parts: frames }
    : { zstd: false, parts: [encoded] };
}

/** What the codec wrote, checked to hold `length` values; views the frame if it was stored raw. Throws "frame-damaged". */
export function unpackPayload(
  key: string,
  frame: Frame,
  codec: Codec,
  zstd: Zstd,
  length: number,
): Uint8Array | Promise<Uint8Array> {
  const checked = (encoded: Uint8Array): Uint8Array => {
    if (codec.accepts(encoded.byteLength, length)) return encoded;
    throw frameDamaged(key, `${length} values of codec ${codec.name}`, `${encoded.byteLength} bytes`);
  };
  if (!frame.zstd) return checked(frame.payload);
  const refuse = (cause: unknown): never => {
    throw frameDamaged(key, "a payload that zstd can read", String(cause), cause);
  };
  let encoded: Uint8Array | Promise<Uint8Array>;
  try {
    encoded = zstd.decompress(frame.payload, codec.maxEncodedBytes(length));
  } catch (cause) {
    return refuse(cause);
  }
  return encoded instanceof Promise ? encoded.then(checked, refuse) : checked(encoded);
}
