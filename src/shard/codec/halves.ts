// Codecs of 16-bit words, in two orders of bytes: as the words are, all in `rest`; or the words' bytes apart, for the high
// ones (sign, exponent) are nearly the same in all values of a gradient and are what zstd can make smaller, the low ones
// are noise.

import { i32, shuffle8, v128 } from "../../wasm/instructions.ts";
import { forRange } from "../../wasm/emitter.ts";
import { AT, BLOCK_VALUES, bytesOf, copyIn, copyOut, inWindow } from "../simd/window.ts";
import { decodeBlocks, encodeBlocks, inBlocks } from "./blocks.ts";
import type { Encoded, UnbiasedCodec } from "./codec.ts";

const WORD_BYTES = 4;

/** Bytes of an encoded chunk, both even numbers, and where they are while their block is in the window. */
export interface Stretch {
  readonly at: number;
  readonly sizeBytes: number;
  readonly address: number;
}

export interface HalfFormat {
  readonly name: string;
  /** As the words are, and with the bytes apart. */
  readonly ids: readonly [plain: number, shuffled: number];
  /** A multiple of 8. */
  bytes(length: number): number;
  /** What belongs to the values [begin, end) of `length`. */
  stretches(begin: number, end: number, length: number): readonly Stretch[];
  /** From the values in the window to its stretches. */
  encode(count: number): void;
  /** The reverse. */
  decode(count: number): void;
}

/** How the bytes of a format are ordered. */
interface Order {
  readonly restBytes: (length: number) => number;
  readonly compressibleBytes: (length: number) => number;
  /** From the bytes as the words are. */
  reorder(bytes: Uint8Array, room: Encoded): Encoded;
  write(stretch: Stretch, room: Encoded): void;
  read(stretch: Stretch, encoded: Encoded): void;
}

export function halvesCodec(format: HalfFormat): UnbiasedCodec {
  const [plain, shuffled] = format.ids;
  return {
    ...ordered(format, plain, {
      restBytes: (length) => format.bytes(length),
      compressibleBytes: () => 0,
      reorder: (bytes) => ({ rest: bytes, compressible: bytes.subarray(0, 0) }),
      write: ({ at, sizeBytes, address }, { rest }) => copyOut(rest, at, address, sizeBytes),
      read: ({ at, sizeBytes, address }, { rest }) => copyIn(address, rest, at, at + sizeBytes),
    }),
    shuffled: ordered(format, shuffled, {
      restBytes: (length) => format.bytes(length) / 2,
      compressibleBytes: (length) => format.bytes(length) / 2,
      reorder(bytes, room) {
        inBlocks(bytes.byteLength, BLOCK_VALUES, (begin, end) => {
          copyIn(AT.encoded, bytes, begin, end);
          this.write({ at: begin, sizeBytes: end - begin, address: AT.encoded }, room);
        });
        return room;
      },
      write({ at, sizeBytes, address }, { rest, compressible }) {
        kernels().split(address, sizeBytes);
        copyOut(rest, at / 2, AT.low, sizeBytes / 2);
        copyOut(compressible, at / 2, AT.high, sizeBytes / 2);
      },
      read({ at, sizeBytes, address }, { rest, compressible }) {
        copyIn(AT.low, rest, at / 2, (at + sizeBytes) / 2);
        copyIn(AT.high, compressible, at / 2, (at + sizeBytes) / 2);
        kernels().join(address, sizeBytes);
      },
    }),
  };
}

function ordered(format: HalfFormat, id: number, order: Order): UnbiasedCodec {
  const { restBytes, compressibleBytes } = order;
  const reader = (encoded: Encoded, length: number) => (begin: number, end: number) => {
    for (const stretch of format.stretches(begin, end, length)) order.read(stretch, encoded);
    format.decode(end - begin);
  };
  return {
    name: format.name,
    id,
    parameter: 0,
    exact: false,
    biased: false,
    words: {
      keepsScaled: true,
      count: (length) => format.bytes(length) / WORD_BYTES,
      toEncoded: (words, length, room) =>
        order.reorder(bytesOf(words).subarray(0, format.bytes(length)), room),
    },
    restBytes,
    maxCompressibleBytes: compressibleBytes,
    accepts: (sizeBytes, length) => sizeBytes === compressibleBytes(length),
    encode(values, room) {
      encodeBlocks(values, (begin, end) => {
        format.encode(end - begin);
        for (const stretch of format.stretches(begin, end, values.length)) order.write(stretch, room);
      });
      return {
        rest: room.rest,
        compressible: room.compressible.subarray(0, compressibleBytes(values.length)),
      };
    },
    decode: (encoded, out) => decodeBlocks(reader(encoded, out.length), out),
    reader,
  };
}

const VECTOR_BYTES = 16;
const bytes = Array.from({ length: VECTOR_BYTES }, (_, i) => i);

const kernels = inWindow({
  /** The low and the high bytes of the words at an address. */
  split: (module) =>
    module.func("split", ["address", "sizeBytes"], (p, f) => {
      const { at, from } = f.named("i32", ["at", "from"]);
      const { first, second } = f.named("v128", ["first", "second"]);
      const every = (odd: number) =>
        shuffle8(
          first,
          second,
          bytes.map((i) => 2 * i + odd),
        );
      return forRange(at, 0, i32.shrU(i32.add(p.sizeBytes, 1), 1), VECTOR_BYTES, [
        from.set(i32.add(p.address, i32.shl(at, 1))),
        first.set(v128.load(from)),
        second.set(v128.load(from, VECTOR_BYTES)),
        v128.store(at, every(0), AT.low),
        v128.store(at, every(1), AT.high),
      ]);
    }),
  join: (module) =>
    module.func("join", ["address", "sizeBytes"], (p, f) => {
      const { at, to } = f.named("i32", ["at", "to"]);
      const { low, high } = f.named("v128", ["low", "high"]);
      const half = (begin: number) =>
        shuffle8(
          low,
          high,
          bytes.map((i) => begin + (i >> 1) + (i % 2) * VECTOR_BYTES),
        );
      return forRange(at, 0, i32.shrU(i32.add(p.sizeBytes, 1), 1), VECTOR_BYTES, [
        to.set(i32.add(p.address, i32.shl(at, 1))),
        low.set(v128.load(at, AT.low)),
        high.set(v128.load(at, AT.high)),
        v128.store(to, half(0)),
        v128.store(to, half(VECTOR_BYTES / 2), VECTOR_BYTES),
      ]);
    }),
});
