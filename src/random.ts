// Philox4x32-10, a counter-based random generator: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011, section 4.3. A number is a pure function of key and counter, so any worker can compute any number of
// any stream without state, and the WASM dropout kernel reproduces it bit for bit.

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers, from four 16-bit products. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle1 = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle2 = aLow * bHigh + (middle1 & 0xffff);
  return aHigh * bHigh + (middle1 >>> 16) + (middle2 >>> 16);
}

/** Writes the four unsigned 32-bit numbers of counter (c0..c3) under key (k0, k1) to `out`. */
export function philox4x32(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = mulHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** FNV-1a, 32 bits: names a stream by a string (`"shuffle"`, a parameter's name). */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A sequence of numbers that is a function of (seed, stream, substream) alone. */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #substream: number;
  readonly #block = new Uint32Array(4);
  #counter = 0;
  #used = 4;

  constructor(seed: number, stream: string, substream = 0) {
    this.#key = [seed >>> 0, hashName(stream)];
    this.#substream = substream >>> 0;
  }

  /** An integer in [0, 2^32). */
  nextU32(): number {
    if (this.#used === 4) {
      philox4x32(this.#counter++, this.#substream, 0, 0, this.#key[0], this.#key[1], this.#block);
      this.#used = 0;
    }
    return this.#block[this.#used++]!;
  }

  /** A float in [0, 1) with 24 bits, exact in f32. */
  nextUniform(): number {
    return (this.nextU32() >>> 8) / 0x1000000;
  }

  /** An integer in [0, bound), without modulo bias (Lemire, "Fast random integer generation in an interval", 2019). */
  nextInt(bound: number): number {
    const threshold = (0x100000000 - bound) % bound;
    for (;;) {
      const x = this.nextU32();
      if (Math.imul(x, bound) >>> 0 >= threshold) return mulHigh(x, bound);
    }
  }

  /** Standard normal (Box-Muller; one of the pair is dropped, so that each call costs two numbers). */
  nextNormal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.nextUniform()));
    return radius * Math.cos(2 * Math.PI * this.nextUniform());
  }

  /** A permutation of 0..length-1 (Fisher-Yates). */
  permutation(length: number): Uint32Array {
    const order = Uint32Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = this.nextInt(i + 1);
      const swapped = order[i]!;
      order[i] = order[j]!;
      order[j] = swapped;
    }
    return order;
  }
}
