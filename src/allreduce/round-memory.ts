// The memory of a collective's rounds, made once and used by every round: a step leaves no megabytes to collect.

import { type Codec, type Encoded, roomFor } from "../shard/codec/codec.ts";
import type { Bucket } from "../shard/layout.ts";
import { maxFrameBytes } from "../shard/payload.ts";

/** Scalars that a frame can carry. */
export const MAX_SCALARS = 64;
const ALIGNMENT_BYTES = 8;

export class RoundMemory {
  /** The means as they come. In this rank's own chunks its sums, until their mean takes their place. */
  readonly vector: Float32Array;
  readonly #buckets: readonly Bucket[];
  readonly #rank: number;
  readonly #slotCount: number;
  readonly #codec: Codec;
  readonly #sums: (Float64Array | undefined)[] = [];
  readonly #slots: (Uint8Array[] | undefined)[] = [];
  readonly #rooms: Encoded[][] = [];

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

  /** For what this rank sends of a chunk: once in a round, its sums of a peer's chunk or the mean of its own. */
  room(bucket: number, chunk: number): Encoded {
    const rooms = (this.#rooms[bucket] ??= []);
    const { begin, end } = this.#buckets[bucket]!.chunks[chunk]!;
    return (rooms[chunk] ??= roomFor(this.#codec, end - begin));
  }

  /** Room for any frame of the bucket. Sums and means use the same slots, one after the other. */
  slot(bucket: number, index: number): Uint8Array {
    return (this.#slots[bucket] ??= this.#makeSlots(bucket))[index]!;
  }

  #makeSlots(bucket: number): Uint8Array[] {
    const longest = Math.max(...this.#buckets[bucket]!.chunks.map(({ begin, end }) => end - begin));
    const largestBytes = maxFrameBytes(this.#codec, longest, MAX_SCALARS);
    const slotBytes = Math.ceil(largestBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    const slab = new Uint8Array(slotBytes * this.#slotCount);
    return Array.from({ length: this.#slotCount }, (_, i) =>
      slab.subarray(i * slotBytes, (i + 1) * slotBytes),
    );
  }
}
