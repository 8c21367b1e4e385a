// Philox4x32-10, a counter-based random generator: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011, section 4.3. A number is a pure function of key and counter, so any worker can compute any number of
// any stream without state, and the WASM dropout kernel reproduces it bit for bit.

const MULTIPLIER_0 = 0xd2511f53 | 0;
const MULTIPLIER_1 = 0xcd9e8d57 | 0;
const WEYL_0 = 0x9e3779b9 | 0;
const WEYL_1 = 0xbb67ae85 | 0;

/**
 * High 32 bits (as a signed integer) of the 64-bit product of two unsigned 32-bit integers, from four 16-bit products.
 * All sums stay below 2^32, and `Math.imul` and `| 0` keep them out of floating point: three times as fast.
 */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle1 = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const middle2 = (Math.imul(aLow, bHigh) + (middle1 & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle1 >>> 16) + (middle2 >>> 16)) | 0;
}

/** Writes the four unsigned 32-bit numbers of counter (c0..c3) under key (k0, k1) to `out` from index `at`. */
export function philox4x32(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
  at = 0,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(c0, MULTIPLIER_0);
    const low0 = Math.imul(c0, MULTIPLIER_0);
    const high1 = mulHigh(c2, MULTIPLIER_1);
    const low1 = Math.imul(c2, MULTIPLIER_1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** FNV-1a, 32 bits: names a stream by a string (`"shuffle"`, a parameter's name). */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

// Numbers are made some blocks ahead: enough to amortise the refill, few enough for streams that draw a handful.
const BLOCKS_AHEAD = 16;

/** A sequence of numbers that is a function of (seed, stream, substream) alone. */
export class RandomStream {
  readonly #key: readonly [number, number];
  readonly #substream: number;
  readonly #ahead = new Uint32Array(4 * BLOCKS_AHEAD);
  #counter = 0;
  #used = this.#ahead.length;

  constructor(seed: number, stream: string, substream = 0) {
    this.#key = [seed >>> 0, hashName(stream)];
    this.#substream = substream >>> 0;
  }

  /** An integer in [0, 2^32). */
  nextU32(): number {
    if (this.#used === this.#ahead.length) this.#refill();
    return this.#ahead[this.#used++]!;
  }

  #refill(): void {
    const [k0, k1] = this.#key;
    for (let block = 0; block < BLOCKS_AHEAD; block++) {
      philox4x32(this.#counter++, this.#substream, 0, 0, k0, k1, this.#ahead, 4 * block);
    }
    this.#used = 0;
  }

  /** A float in [0, 1) with 24 bits, exact in f32. */
  nextUniform(): number {
    return (this.nextU32() >>> 8) / 0x1000000;
  }

  /** An integer in [0, bound), without modulo bias (Lemire, "Fast random integer generation in an interval", 2019). */
  nextInt(bound: number): number {
    for (;;) {
      const x = this.nextU32();
      const low = Math.imul(x, bound) >>> 0;
      // The threshold is below the bound: most draws are accepted without its division.
      if (low >= bound || low >= (0x100000000 - bound) % bound) return mulHigh(x, bound) >>> 0;
    }
  }

  /** Standard normal (Box-Muller; one of the pair is dropped, so that each call costs two numbers). */
  nextNormal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.nextUniform()));
    return radius * Math.cos(2 * Math.PI * this.nextUniform());
  }

  /** A permutation of 0..length-1 (Fisher-Yates). */
  permutation(length: number): Uint32Array {
    const order = new Uint32Array(length);
    for (let i = 0; i < length; i++) order[i] = i;
    for (let i = length - 1; i > 0; i--) {
      const j = this.nextInt(i + 1);
      const swapped = order[i]!;
      order[i] = order[j]!;
      order[j] = swapped;
    }
    return order;
  }
}
