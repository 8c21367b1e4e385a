// Frames as all ways of exchanging them have in common: values in, bytes out, and back, everything between checked. Knows
// one run, and nothing of where frames lie.

import type { Codec } from "../shard/codec/codec.ts";
import { F32_SPARSE_ID, f32Sparse, mostNonZeros } from "../shard/codec/f32-sparse.ts";
import {
  decodeFrame,
  encodeFrame,
  type FrameAddress,
  frameBytes,
  frameCodec,
  runNumber,
} from "../shard/frame.ts";
import { packPayload, type Payload, unpackPayload } from "../shard/payload.ts";
import type { Zstd } from "../shard/zstd.ts";
import type { Arrival, PutOutcome, WaitOptions } from "../storage/storage.ts";
import { frameKey, type ObjectAddress } from "./keys.ts";
import type { Coded, Contribution } from "./rank-ordered-sum.ts";

export interface FrameCoderOptions {
  readonly runId: string;
  /** How often this rank was started before. */
  readonly generation: number;
  readonly zstd: Zstd;
}

export interface Received extends Contribution {
  /** May view the buffer that was read into. */
  readonly values: Coded;
  /** The frame as it came, for whoever passes it on. */
  readonly parts: readonly Uint8Array[];
}

export interface Decoded extends Received {
  /** Its sender let zstd make it smaller where it could. */
  readonly compressed: boolean;
}

/** A frame to come, and the number of its values. */
export interface ExpectedFrame {
  readonly address: FrameAddress;
  readonly elements: number;
}

/** An object to come, or one slot of it, with room for what is read. */
export interface ExpectedObject {
  readonly address: ObjectAddress;
  /** What it holds, one after the other. */
  readonly frames: readonly ExpectedFrame[];
  readonly codec: Codec;
  readonly into: Uint8Array;
  /** Where in a packed object the frame's slot lies; absent: the object is its frames. */
  readonly slot?: { readonly begin: number; readonly end: number };
}

/** `missing`: it has not come, longer than is usual. `slow`: it came, but for rounds on end later than that of others. */
export type Lateness = "missing" | "slow";

/** Ranks that write what is waited for. */
export type OnLate = (ranks: readonly number[], lateness: Lateness) => void;

export interface ReceiveOptions extends WaitOptions {
  /** After so long `tell` is called once with the ranks whose objects have not come; the wait goes on. */
  readonly late?: { readonly afterMs: number; readonly tell: OnLate };
  /** After so long the wait is over as soon as so many objects have come. */
  readonly quorum?: { readonly afterMs: number; readonly objects: number };
}

/** Payloads as they travel. */
export interface Packed extends Coded {
  readonly payload: Payload;
}

export class FrameCoder {
  readonly #options: FrameCoderOptions;
  readonly #run: bigint;

  constructor(options: FrameCoderOptions) {
    this.#options = options;
    this.#run = runNumber(options.runId);
  }

  keyOf(address: ObjectAddress): string {
    return frameKey(this.#options.runId, address);
  }

  /** Compresses what pays, if it may; small payloads at once. `coded` must not change before the frame has been put. */
  pack(coded: Coded, compress: boolean): Packed | Promise<Packed> {
    const { rest, compressible } = coded.encoded;
    if (!compress) return { ...coded, payload: { zstd: false, parts: [rest, compressible] } };
    const payload = packPayload(coded.encoded, this.#options.zstd);
    return payload instanceof Promise
      ? payload.then((packed) => ({ ...coded, payload: packed }))
      : { ...coded, payload };
  }

  /** Bytes of the frame. */
  sizeOf(
    { payload }: Packed,
    { scalars, peaks, absent }: Pick<Contribution, "scalars" | "peaks" | "absent">,
  ): number {
    const payloadBytes = payload.parts.reduce((total, part) => total + part.byteLength, 0);
    return frameBytes(scalars.length, peaks.length + absent.length, payloadBytes);
  }

  /** The parts of the frame. */
  frame({ address, elements }: ExpectedFrame, packed: Packed, contribution: Contribution): Uint8Array[] {
    const { generation } = this.#options;
    const { codec, payload } = packed;
    const content = { ...contribution, generation, zstd: payload.zstd };
    return encodeFrame({ ...address, run: this.#run, elements }, codec, content, payload.parts);
  }

  /** What `bytes`, which lie under `key`, hold; it may view them. Throws SltrainError "frame-damaged" or "frame-foreign". */
  async decode(
    key: string,
    codec: Codec,
    { address, elements }: ExpectedFrame,
    bytes: Uint8Array,
  ): Promise<Decoded> {
    const expected = { ...address, run: this.#run, elements };
    const frame = decodeFrame(key, bytes, expected, formsOf(codec, bytes, elements));
    const { contributors, weight, scalars, peaks, absent } = frame;
    const encoded = await unpackPayload(key, frame, frame.codec, this.#options.zstd, elements);
    const values = { codec: frame.codec, encoded };
    const compressed = frame.zstd || frame.codec === codec.shuffled;
    return { contributors, weight, scalars, peaks, absent, values, compressed, parts: [bytes] };
  }
}

/** `codec` as it may have been written: with its bytes in another order, or what is not zero alone. */
function formsOf(codec: Codec, bytes: Uint8Array, elements: number): readonly Codec[] {
  const forms = codec.shuffled === undefined ? [codec] : [codec, codec.shuffled];
  const written = frameCodec(bytes);
  const isSparse = written?.id === F32_SPARSE_ID && written.parameter <= mostNonZeros(elements);
  return codec.keepsF32 === true && isSparse ? [...forms, f32Sparse(written.parameter)] : forms;
}

/** How a lane's frames reach those who merge them, and the means this rank. */
export interface Frames extends FrameCoder {
  /** Puts an object if nobody has: the first writer wins. */
  put(
    address: ObjectAddress,
    parts: readonly Uint8Array[],
    options?: { readonly isMean: boolean },
  ): Promise<PutOutcome>;
  /** To be called when nobody needs this rank's sums of a bucket any more, before their memory changes. */
  release(bucket: Pick<ObjectAddress, "lane" | "step" | "bucket">): Promise<void>;
  /** The frames of the object if it is there. */
  read(expected: ExpectedObject): Promise<Received[] | undefined>;
  /**
   * Calls `take` with the frames of each object, in the order of arrival, one at a time, and before that `onFirst` when
   * the first has come. Throws SltrainError "peer-missing" naming rank, step and key when one has not come in time.
   */
  receive(
    expected: readonly ExpectedObject[],
    options: ReceiveOptions,
    take: (frames: readonly Received[], index: number) => void,
    onFirst?: (arrival: Arrival) => void,
  ): Promise<void>;
}
