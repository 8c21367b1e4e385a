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
  for (; at + 4 <= end; at += 4) {
    hash = (imul(rotate(hash ^ scramble(bytes.getInt32(at, true)), 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = end - 1; i >= at; i--) tail = (tail << 8) | bytes.getUint8(i);
  if (at < end) hash ^= scramble(tail);
  hash ^= end - begin;
  hash = imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  return imul(rotate(imul(word, C1), 15), C2);
}
