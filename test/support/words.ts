// An encoded chunk in words, as a GPU would leave it: the reverse of `Codec.words`.

import type { Codec, Encoded } from "../../src/shard/codec/codec.ts";
import { roomFor } from "../../src/shard/codec/codec.ts";
import { GapReader } from "../../src/shard/codec/gaps.ts";

const STRETCH_VALUES = 2 ** 16;

/** What the codec makes of `values`; it has not changed them. */
export function encodedWords(codec: Codec, values: Float32Array, seed: number): Int32Array {
  return wordsOf(codec, codec.encode(values, roomFor(codec, values.length), seed), values.length);
}

export function wordsOf(codec: Codec, { rest, compressible }: Encoded, length: number): Int32Array {
  const words = new Int32Array(codec.words!.count(length));
  if (codec.name.startsWith("top-k")) {
    const gaps = new GapReader(compressible, rest.length);
    const stretches = Math.ceil(length / STRETCH_VALUES);
    let index = -1;
    rest.forEach((low, j) => {
      index += 1 + gaps.next();
      words[Math.floor(index / STRETCH_VALUES)]!++;
      words[stretches + j] = (((compressible[j]! << 8) | low) << 16) | (index % STRETCH_VALUES);
    });
  } else {
    const bytes = new Uint8Array(words.buffer);
    bytes.set(rest);
    bytes.set(compressible, rest.byteLength);
  }
  return words;
}
