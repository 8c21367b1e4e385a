// Sends and receives frames: values in, values out, everything between checked. Knows one rank of one run, and nothing
// of the pattern in which the ranks exchange.

import { SltrainError } from "../errors.ts";
import type { Codec } from "../shard/codec/codec.ts";
import {
  decodeFrame,
  encodeFrame,
  type FrameAddress,
  frameBytes,
  frameDamaged,
  frameLength,
  runNumber,
} from "../shard/frame.ts";
import { packPayload, type Payload, unpackPayload } from "../shard/payload.ts";
import type { Zstd } from "../shard/zstd.ts";
import type { Channel, PutOutcome, WaitOptions } from "../storage/storage.ts";
import type { ExchangeClock } from "./exchange-clock.ts";
import { frameKey, type ObjectAddress } from "./keys.ts";
import type { Coded, Contribution } from "./rank-ordered-sum.ts";
import type { ResendDesk } from "./resend.ts";
import { unpackSlot } from "./slots.ts";

export interface FrameChannelOptions {
  readonly channel: Channel;
  readonly runId: string;
  /** How often this rank was started before. */
  readonly generation: number;
  readonly zstd: Zstd;
  readonly clock: ExchangeClock;
  /** Where the channel may forget. */
  readonly resend?: ResendDesk;
}

export interface Received extends Contribution {
  /** May view the buffer that was read into. */
  readonly values: Coded;
  /** The frame as it came, for whoever passes it on. */
  readonly parts: readonly Uint8Array[];
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

/** Payloads as they travel. */
export interface Packed extends Coded {
  readonly payload: Payload;
}

export class FrameChannel {
  readonly #options: FrameChannelOptions;
  readonly #run: bigint;

  constructor(options: FrameChannelOptions) {
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
  sizeOf({ payload }: Packed, { scalars, peaks }: Pick<Contribution, "scalars" | "peaks">): number {
    const payloadBytes = payload.parts.reduce((total, part) => total + part.byteLength, 0);
    return frameBytes(scalars.length, peaks.length, payloadBytes);
  }

  /** The parts of the frame. */
  frame({ address, elements }: ExpectedFrame, packed: Packed, contribution: Contribution): Uint8Array[] {
    const { generation } = this.#options;
    const { codec, payload } = packed;
    const content = { ...contribution, generation, zstd: payload.zstd };
    return encodeFrame({ ...address, run: this.#run, elements }, codec, content, payload.parts);
  }

  /**
   * Puts an object if its key is free: the first writer wins. On a channel without conditional puts the same rank, step
   * and state must give the same bytes.
   */
  put(address: ObjectAddress, parts: readonly Uint8Array[], { isMean = false } = {}): Promise<PutOutcome> {
    const { channel, resend } = this.#options;
    const key = this.keyOf(address);
    resend?.hold(key, { address, isMean, parts });
    return channel.put(key, parts, { ifAbsent: channel.capabilities.conditionalPut });
  }

  /** To be called when nobody needs this rank's sums of a bucket any more, before their memory changes. */
  async release(bucket: Pick<ObjectAddress, "lane" | "step" | "bucket">): Promise<void> {
    await this.#options.resend?.release(bucket);
  }

  /** The frames of the object if it is there. */
  async read(expected: ExpectedObject): Promise<Received[] | undefined> {
    const bytes = await this.#options.channel.get({ key: this.keyOf(expected.address) }, expected.into);
    return bytes === undefined ? undefined : this.#unpack(expected, bytes);
  }

  /**
   * Calls `take` with the frames of each object, in the order of arrival, one at a time. Throws SltrainError
   * "peer-missing" naming rank, step and key when one has not come in time.
   */
  async receive(
    expected: readonly ExpectedObject[],
    options: WaitOptions,
    take: (frames: readonly Received[], index: number) => void,
  ): Promise<void> {
    if (expected.length === 0) return;
    if (expected.length === 0) return;
    const { channel, clock, resend } = this.#options;
    const missing = new Set(expected.keys());
    const refs = expected.map(({ address, into, slot }) => {
      const key = this.keyOf(address);
      return slot === undefined
        ? { key, into }
        : { key, range: slot, into: into.subarray(0, slot.end - slot.begin) };
    });
    const arrivals =
      resend?.waitFor(
        refs,
        expected.map(({ address }) => address.rank),
        options,
      ) ?? channel.waitFor(refs, options);
    try {
      for await (const { index, bytes } of arrivals) {
        missing.delete(index);
        await clock.working(async () => {
          take(await this.#unpack(expected[index]!, bytes), index);
        });
      }
    } catch (error) {
      const [first] = missing;
      if (first === undefined || !(error instanceof SltrainError) || error.code !== "wait-timeout")
        throw error;
      throw this.#peerMissing(expected[first]!.address, missing.size, options.timeoutMs, error);
    }
  }

  async #unpack(expected: ExpectedObject, bytes: Uint8Array): Promise<Received[]> {
    const { frames, slot } = expected;
    let rest = slot === undefined ? bytes : await this.#readSlot(expected, bytes);
    const parts = frames.map((_, i) => {
      // The last takes what is left, so that it is seen when something was cut or added.
      const part = i === frames.length - 1 ? rest : rest.subarray(0, frameLength(rest));
      rest = rest.subarray(part.byteLength);
      return part;
    });
    return Promise.all(frames.map((frame, i) => this.#decode(expected, frame, parts[i]!)));
  }

  async #readSlot({ address, into }: ExpectedObject, bytes: Uint8Array): Promise<Uint8Array> {
    const key = this.keyOf(address);
    const { frame, overflow } = unpackSlot(key, bytes, into.byteLength);
    if (overflow !== undefined) {
      const { range, at } = overflow;
      const rest = into.subarray(at, at + range.end - range.begin);
      if ((await this.#options.channel.get({ key, range }, rest)) === undefined)
        throw frameDamaged(key, "an object that stays", "none where there was one");
    }
    return into.subarray(frame.begin, frame.end);
  }

  async #decode(
    { address: object, codec }: ExpectedObject,
    { address, elements }: ExpectedFrame,
    bytes: Uint8Array,
  ): Promise<Received> {
    const key = this.keyOf(object);
    const codecs = codec.shuffled === undefined ? [codec] : [codec, codec.shuffled];
    const frame = decodeFrame(key, bytes, { ...address, run: this.#run, elements }, codecs);
    const { contributors, weight, scalars, peaks } = frame;
    const encoded = await unpackPayload(key, frame, frame.codec, this.#options.zstd, elements);
    const values = { codec: frame.codec, encoded };
    return { contributors, weight, scalars, peaks, values, parts: [bytes] };
  }

  #peerMissing(address: ObjectAddress, count: number, timeoutMs: number, cause: unknown): SltrainError {
    const others = count > 1 ? ` (and ${count - 1} more objects)` : "";
    return new SltrainError({
      code: "peer-missing",
      message:
        `collective: expected rank ${address.rank}'s part of step ${address.step} within ${timeoutMs} ms, ` +
        `but ${this.keyOf(address)} has not come${others}`,
      cause,
      suggestions: [
        `See what worker ${address.rank} logged last: it died, or it is far slower than its peers.`,
      ],
      retryable: true,
    });
  }
}
