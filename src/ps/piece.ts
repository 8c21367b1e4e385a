// One piece of a run on its server: memory for each rank's frame, and accumulators, used by round after round. A rank
// sends its part of the next round only when it has the mean of this one, so one slot each is enough: the memory belongs
// to the newest step of which a frame came, and an older one is not added to any more.

import type { IncomingMessage } from "node:http";
import { MAX_SCALARS } from "../allreduce/lane.ts";
import type { Codec } from "../shard/codec/codec.ts";
import { maxFrameBytes } from "../shard/payload.ts";
import { readBody } from "./read-body.ts";

const ALIGNMENT_BYTES = 8;

export interface PieceOptions {
  readonly bucket: number;
  /** Its number in the bucket. */
  readonly piece: number;
  readonly elements: number;
  readonly worldSize: number;
  readonly codec: Codec;
  readonly meanCodec: Codec;
}

export class Piece {
  readonly bucket: number;
  readonly number: number;
  readonly elements: number;
  readonly maxFrameBytes: number;
  readonly sums: Float64Array;
  /** What a biased codec lost of the means so far. */
  readonly residual: Float32Array;
  /** The step that slots and accumulators belong to. */
  step = -1;
  readonly #slots: (Uint8Array | undefined)[] = [];
  readonly #uploads: (IncomingMessage | undefined)[] = [];

  constructor({ bucket, piece, elements, codec, meanCodec }: PieceOptions) {
    this.bucket = bucket;
    this.number = piece;
    this.elements = elements;
    this.maxFrameBytes = Math.max(
      ...[codec, meanCodec].map((either) => maxFrameBytes(either, elements, MAX_SCALARS, 0)),
    );
    this.sums = new Float64Array(elements);
    this.residual = new Float32Array(meanCodec.biased ? elements : 0);
  }

  /** What slots and accumulators can take. */
  static workingBytes({ elements, worldSize, codec, meanCodec }: PieceOptions): number {
    const perElement =
      Float64Array.BYTES_PER_ELEMENT + (meanCodec.biased ? Float32Array.BYTES_PER_ELEMENT : 0);
    return worldSize * maxFrameBytes(codec, elements, MAX_SCALARS, 0) + elements * perElement;
  }

  /**
   * Reads a frame of `sizeBytes` into the rank's slot. Of two uploads at the same time, as after a worker that was cut
   * off, the later one has the slot; the other one's connection ends.
   */
  async receive(
    step: number,
    rank: number,
    request: IncomingMessage,
    sizeBytes: number,
  ): Promise<Uint8Array> {
    this.step = step;
    this.#uploads[rank]?.destroy();
    this.#uploads[rank] = request;
    try {
      const slotBytes = Math.ceil(this.maxFrameBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
      const slot = (this.#slots[rank] ??= new Uint8Array(Buffer.allocUnsafeSlow(slotBytes).buffer));
      return await readBody(request, slot.subarray(0, sizeBytes));
    } finally {
      if (this.#uploads[rank] === request) this.#uploads[rank] = undefined;
    }
  }
}
