// The memory of a lane's rounds, made when first needed and used by every round: a step leaves no megabytes to collect.

import { F32_SPARSE_ID, f32Sparse, mostNonZeros } from "../shard/codec/f32-sparse.ts";
import { type Codec, type Encoded, roomFor } from "../shard/codec/codec.ts";

const ALIGNMENT_BYTES = 8;

export class LaneMemory {
  readonly #sums = new Map<string, Float64Array>();
  readonly #values = new Map<string, Float32Array>();
  readonly #carried = new Map<string, Float32Array>();
  readonly #rooms = new Map<string, Encoded>();
  readonly #slabs = new Map<number, Uint8Array>();

  /** Accumulators of what this rank merges. */
  sums(bucket: number, level: number, length: number): Float64Array {
    return remembered(this.#sums, `${bucket}/${level}`, () => new Float64Array(length));
  }

  /** The same rounded to f32, as it is published. */
  values(bucket: number, level: number, length: number): Float32Array {
    return remembered(this.#values, `${bucket}/${level}`, () => new Float32Array(length));
  }

  /** This rank's sums of a piece, with what was left out of the last rounds. */
  carried(bucket: number, piece: number, length: number): Float32Array {
    return remembered(this.#carried, `${bucket}/${piece}`, () => new Float32Array(length));
  }

  /** For `codec` to encode what this rank publishes. */
  room(codec: Codec, bucket: number, level: number, piece: number, length: number): Encoded {
    // Of a sparse form, for any number of non-zeros.
    const largest = codec.id === F32_SPARSE_ID ? f32Sparse(mostNonZeros(length)) : codec;
    return remembered(this.#rooms, `${codec.id}/${bucket}/${level}/${piece}`, () => roomFor(largest, length));
  }

  /**
   * Room for objects of these sizes, which are read at one time. All that a bucket waits for, it waits for one level
   * after the other, so each level takes the place of the one before it.
   */
  slots(bucket: number, sizesBytes: readonly number[]): Uint8Array[] {
    const aligned = sizesBytes.map((bytes) => Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES);
    const totalBytes = aligned.reduce((total, bytes) => total + bytes, 0);
    let slab = this.#slabs.get(bucket);
    if (slab === undefined || slab.byteLength < totalBytes) {
      slab = new Uint8Array(totalBytes);
      this.#slabs.set(bucket, slab);
    }
    let begin = 0;
    return sizesBytes.map((bytes, i) => {
      const slot = slab.subarray(begin, begin + bytes);
      begin += aligned[i]!;
      return slot;
    });
  }
}

function remembered<K, V>(known: Map<K, V>, key: K, make: () => V): V {
  let value = known.get(key);
  if (value === undefined) known.set(key, (value = make()));
  return value;
}
