// The memory of a collective's rounds, made once and used by every round: a step leaves no megabytes to collect.

import type { Codec } from "../shard/codec/codec.ts";
import { frameBytes } from "../shard/frame.ts";
import type { Bucket } from "../shard/layout.ts";

/** Scalars that a frame can carry. */
export const MAX_SCALARS = 64;
const ALIGNMENT_BYTES = 8;

export class RoundMemory {
  /** First this rank's sums; each chunk's mean takes their place when they have been sent. */
  readonly vector: Float32Array;
  readonly #buckets: readonly Bucket[];
  readonly #rank: number;
  readonly #slotCount: number;
  readonly #codec: Codec;
  readonly #sums: (Float64Array | undefined)[] = [];
  readonly #slots: (Uint8Array[] | undefined)[] = [];

  constructor(buckets: readonly Bucket[], rank: number, worldSize: number, codec: Codec) {
    this.vector = new Float32Array(buckets.reduce((length, { end }) => Math.max(length, end), 0));
    this.#buckets = buckets;
    this.#rank = rank;
    this.#slotCount = Math.max(1, worldSize - 1);
    this.#codec = codec;
  }

  /** Accumulators for this rank's own chunk of the bucket. */
  sums(bucket: number): Float64Array {
    const own = this.#buckets[bucket]!.chunks.find(({ owner }) => owner === this.#rank);
    return (this.#sums[bucket] ??= new Float64Array(own === undefined ? 0 : own.end - own.begin));
  }

  /** Room for any frame of the bucket. Sums and means use the same slots, one after the other. */
  slot(bucket: number, index: number): Uint8Array {
    return (this.#slots[bucket] ??= this.#makeSlots(bucket))[index]!;
  }

  #makeSlots(bucket: number): Uint8Array[] {
    const longest = Math.max(...this.#buckets[bucket]!.chunks.map(({ begin, end }) => end - begin));
    const largestBytes = frameBytes(MAX_SCALARS, this.#codec.maxEncodedBytes(longest));
    const slotBytes = Math.ceil(largestBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    const slab = new Uint8Array(slotBytes * this.#slotCount);
    return Array.from({ length: this.#slotCount }, (_, i) =>
      slab.subarray(i * slotBytes, (i + 1) * slotBytes),
    );
  }
}
