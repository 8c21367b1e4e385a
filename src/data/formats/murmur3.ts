// MurmurHash3, x86, 32 bits (Appleby, 2011; public domain), of bytes: the hash of scikit-learn's FeatureHasher.

const { imul } = Math;
const C1 = 0xcc9e2d51 | 0;
const C2 = 0x1b873593;

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** Of bytes [begin, end), in 0..2^32 - 1. */
export function murmur3(bytes: DataView, begin: number, end: number, seed: number): number {
  let hash = seed | 0;
  let at = begin;
  for (; at + 4 <= end; at += 4) hash = mix(hash, bytes.getInt32(at, true));
  let tail = 0;
  for (let i = end - 1; i >= at; i--) tail = (tail << 8) | bytes.getUint8(i);
  return finish(hash, tail, end - begin) >>> 0;
}

/** For whoever meets the bytes one word at a time: takes in the next four, little-endian. Starts with the seed. */
export function mix(hash: number, word: number): number {
  return (imul(rotate(hash ^ scramble(word), 13), 5) + 0xe6546b64) | 0;
}

/** The hash, signed. @param tail the last zero to three bytes, zeros behind them @param length of all, in bytes */
export function finish(hash: number, tail: number, length: number): number {
  // Zeros scramble to zero: no tail changes nothing.
  let last = hash ^ scramble(tail) ^ length;
  last = imul(last ^ (last >>> 16), 0x85ebca6b);
  last = imul(last ^ (last >>> 13), 0xc2b2ae35);
  return last ^ (last >>> 16);
}

function scramble(word: number): number {
  return imul(rotate(imul(word, C1), 15), C2);
}
