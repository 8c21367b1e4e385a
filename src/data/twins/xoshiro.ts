// xoshiro128++ 1.0 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 2021), its state from
// Philox: a few nanoseconds a number, for data of which a run draws hundreds of millions.

import { hashName, philox4x32 } from "../../random.ts";

const BUFFERED = 1024;

/** A sequence of numbers that is a function of (seed, stream, block) alone. */
export class Xoshiro {
  readonly #state = new Uint32Array(4);
  readonly #buffer = new Uint32Array(BUFFERED);
  #used = BUFFERED;

  constructor(seed: number, stream: string, block: number) {
    // Counter word 2 keeps these states apart from the numbers of a RandomStream, where it is 0.
    philox4x32(block >>> 0, 0, 1, 0, seed >>> 0, hashName(stream), this.#state);
    // The one state that xoshiro never leaves.
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** An integer in [0, 2^32). */
  nextU32(): number {
    if (this.#used === BUFFERED) {
      this.fill(this.#buffer);
      this.#used = 0;
    }
    return this.#buffer[this.#used++]!;
  }

  /** A float in [0, 1) with 24 bits. */
  nextUniform(): number {
    return (this.nextU32() >>> 8) / 0x1000000;
  }

  /** An integer in [0, bound), bound at most 2^21: a double holds the product. The bias is below bound / 2^32. */
  nextInt(bound: number): number {
    return Math.floor((this.nextU32() * bound) / 0x100000000);
  }

  /** Fills `out` with integers in [0, 2^32). */
  fill(out: Uint32Array): void {
    xoshiro128plusplus(this.#state, out);
  }
}

/** Fills `out` with the numbers that follow on `state` (4 words, not all of them 0), which moves on. */
export function xoshiro128plusplus(state: Uint32Array, out: Uint32Array): void {
  let s0 = state[0]! | 0;
  let s1 = state[1]! | 0;
  let s2 = state[2]! | 0;
  let s3 = state[3]! | 0;
  for (let i = 0; i < out.length; i++) {
    const sum = (s0 + s3) | 0;
    out[i] = (((sum << 7) | (sum >>> 25)) + s0) | 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = (s3 << 11) | (s3 >>> 21);
  }
  state[0] = s0;
  state[1] = s1;
  state[2] = s2;
  state[3] = s3;
}
