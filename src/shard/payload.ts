// An encoded chunk to the payload of a frame and back: `rest` as it is, then `compressible`, by zstd where that makes
// it smaller. The codec tells the boundary, so that it needs no field; `rest` comes first and keeps the frame's alignment.

import type { Codec, Encoded } from "./codec/codec.ts";
import { type Frame, frameBytes, frameDamaged } from "./frame.ts";
import type { Zstd } from "./zstd.ts";

export interface Payload {
  readonly zstd: boolean;
  /** May view what they were made from. */
  readonly parts: readonly Uint8Array[];
}

/** The most bytes of a frame with `length` values, in whichever order the codec's bytes are. */
export function maxFrameBytes(codec: Codec, length: number, scalarCount: number, wordCount: number): number {
  const payloadBytes = [codec, codec.shuffled ?? codec].map(
    (either) => either.restBytes(length) + either.maxCompressibleBytes(length),
  );
  return frameBytes(scalarCount, wordCount, Math.max(...payloadBytes));
}

/** Compresses what pays. Large payloads give a promise; `encoded` must not change before it settles. */
export function packPayload(encoded: Encoded, zstd: Zstd): Payload | Promise<Payload> {
  const compressed = zstd.compress(encoded.compressible);
  return compressed instanceof Promise
    ? compressed.then((frames) => smaller(encoded, frames))
    : smaller(encoded, compressed);
}

function smaller({ rest, compressible }: Encoded, frames: readonly Uint8Array[]): Payload {
  const compressedBytes = frames.reduce((total, frame) => total + frame.byteLength, 0);
  return compressedBytes < compressible.byteLength
    ? { zstd: true, parts: [rest, ...frames] }
    : { zstd: false, parts: [rest, compressible] };
}

/** What the codec wrote, checked to hold `length` values; views the frame where it was stored raw. Throws "frame-damaged". */
export function unpackPayload(
  key: string,
  frame: Pick<Frame, "zstd" | "payload">,
  codec: Codec,
  zstd: Zstd,
  length: number,
): Encoded | Promise<Encoded> {
  const { payload } = frame;
  const restBytes = codec.restBytes(length);
  const rest = payload.subarray(0, restBytes);
  const stored = payload.subarray(restBytes);
  const checked = (compressible: Uint8Array): Encoded => {
    if (rest.byteLength === restBytes && codec.accepts(compressible.byteLength, length))
      return { rest, compressible };
    const got = `${rest.byteLength} + ${compressible.byteLength} bytes`;
    throw frameDamaged(key, `${length} values of codec ${codec.name}`, got);
  };
  if (!frame.zstd) return checked(stored);
  const refuse = (cause: unknown): never => {
    throw frameDamaged(key, "a payload that zstd can read", String(cause), cause);
  };
  let compressible: Uint8Array | Promise<Uint8Array>;
  try {
    compressible = zstd.decompress(stored, codec.maxCompressibleBytes(length));
  } catch (cause) {
    return refuse(cause);
  }
  return compressible instanceof Promise ? compressible.then(checked, refuse) : checked(compressible);
}
