// A codec turns a chunk's f32 values into bytes and back; zstd comes after it. One codec per file beside this one.
// It sees one chunk without its neighbours, so any division of the vector gives valid payloads.
//
// No codec makes a number of an infinity or a NaN: if a chunk holds one, so does what is decoded.

/** A chunk as bytes, in two parts: zstd costs more than all else in a round, so it runs only where it finds something. */
export interface Encoded {
  /** Stored as it is: bytes that look like noise. */
  readonly rest: Uint8Array;
  /** What zstd may make smaller. */
  readonly compressible: Uint8Array;
}

/**
 * Leaves the values [begin, end) in the window of kernels (simd/window.ts): to be called for all blocks of BLOCK_VALUES, in
 * order; the last may be shorter.
 */
export type ReadBlock = (begin: number, end: number) => void;

/** An encoded chunk as a GPU leaves it: in words of 32 bits, for single bytes it cannot write. */
export interface WordForm {
  /** Words of a chunk of `length` values: no more than those. */
  count(length: number): number;
  /** The chunk as `encode` gives it, which views `words` or lies in `room` (see `roomFor`). */
  toEncoded(words: Int32Array, length: number, room: Encoded): Encoded;
  /** What was decoded, times a power of two, is encoded without another loss. */
  readonly keepsScaled?: true;
}

interface ChunkCodec {
  /** What users write in a configuration. */
  readonly name: string;
  /** What frames carry; never given to another codec. */
  readonly id: number;
  /** What frames carry beside the id (a share, a block's length; u32), so that they can be decoded by themselves; 0 for none. */
  readonly parameter: number;
  /** `decode` gives back the very bits that were encoded. */
  readonly exact: boolean;
  /** A codec of the same values with its bytes in an order that zstd can make smaller; absent if this one is. */
  readonly shuffled?: Codec;
  /** Absent if no device encodes with it. Of both orders of bytes the words are the same. */
  readonly words?: WordForm;
  /** Bytes of `rest` for `length` values, which is how a reader finds the boundary. */
  restBytes(length: number): number;
  /** The most bytes of `compressible` for `length` values. */
  maxCompressibleBytes(length: number): number;
  /** Whether a `compressible` of so many bytes can belong to `length` values. */
  accepts(compressibleBytes: number, length: number): boolean;
  /** It writes f32 as they are, and may give way to a form of them that is smaller (f32-sparse.ts). */
  readonly keepsF32?: true;
  /**
   * What encodes a sum, or a mean, of what so many ranks wrote with this codec, so that it need not be cut again; absent:
   * this codec.
   */
  ofSum?(contributors: number): Codec;
  /**
   * Writes the values' bytes, the same for the same values and seed, into `room` (see `roomFor`); the result views it, or
   * the values themselves. `seed` (u32) decides stochastic rounding.
   */
  encode(values: Float32Array, room: Encoded, seed: number): Encoded;
  /** Writes `out.length` values. The parts may have any alignment. */
  decode(encoded: Encoded, out: Float32Array): void;
  /** The same block by block, for sums (simd/sums.ts). `encoded` must stay as it is until all is read. */
  reader(encoded: Encoded, length: number): ReadBlock;
}

/** Its errors average out over values and steps: they are rounding. */
export interface UnbiasedCodec extends ChunkCodec {
  readonly biased: false;
}

/** It loses the same part of the same values every time: whoever encodes keeps the error (see error-feedback.ts). */
export interface BiasedCodec extends ChunkCodec {
  readonly biased: true;
  /** Takes from the values, in place, what `decode` gives: what was encoded leaves its error. */
  subtract(encoded: Encoded, values: Float32Array): void;
}

export type Codec = UnbiasedCodec | BiasedCodec;

/** Memory for `encode` of `length` values: both parts as long as they can get, at multiples of 8 bytes. */
export function roomFor(codec: Codec, length: number): Encoded {
  return {
    rest: new Uint8Array(codec.restBytes(length)),
    compressible: new Uint8Array(codec.maxCompressibleBytes(length)),
  };
}
