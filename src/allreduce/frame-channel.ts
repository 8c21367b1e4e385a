// Sends and receives chunks as frames: values in, values out, everything between checked. Knows one rank of one run,
// and nothing of the pattern in which the ranks exchange.

import { SltrainError } from "../errors.ts";
import type { Codec, Encoded } from "../shard/codec/codec.ts";
import { decodeFrame, encodeFrame, type FrameIdentity, runNumber } from "../shard/frame.ts";
import { packPayload, unpackPayload } from "../shard/payload.ts";
import type { Zstd } from "../shard/zstd.ts";
import type { Channel, PutOutcome, WaitOptions } from "../storage/storage.ts";
import type { ExchangeClock } from "./exchange-clock.ts";
import { type FrameAddress, frameKey } from "./keys.ts";

export interface FrameChannelOptions {
  readonly channel: Channel;
  readonly runId: string;
  /** How often this rank was started before. */
  readonly generation: number;
  readonly codec: Codec;
  readonly zstd: Zstd;
  readonly clock: ExchangeClock;
}

/** What travels beside a chunk's values. */
export interface Contribution {
  readonly contributors: number;
  readonly weight: number;
  readonly scalars: Float64Array;
}

export interface Received extends Contribution {
  /** What the codec wrote; may view the buffer that was read into. */
  readonly encoded: Encoded;
}

/** A frame to come: its address, the number of its values, and room for it. */
export interface ExpectedFrame {
  readonly address: FrameAddress;
  readonly elements: number;
  readonly into: Uint8Array;
}

export class FrameChannel {
  readonly #options: FrameChannelOptions;
  readonly #run: bigint;

  constructor(options: FrameChannelOptions) {
    this.#options = options;
    this.#run = runNumber(options.runId);
  }

  keyOf(address: FrameAddress): string {
    return frameKey(this.#options.runId, address);
  }

  #identityOf(address: FrameAddress, elements: number): FrameIdentity {
    return { ...address, run: this.#run, codec: this.#options.codec.id, elements };
  }

  /**
   * Puts a chunk of `elements` values, which `encoded` holds, if its key is free: the first writer wins. On a channel
   * without conditional puts the same rank, step and state must give the same bytes. `encoded` must not change before
   * the promise settles.
   */
  send(
    address: FrameAddress,
    elements: number,
    encoded: Encoded,
    contribution: Contribution,
  ): Promise<PutOutcome> {
    const { channel, zstd, generation, clock } = this.#options;
    return clock.working(async () => {
      const packed = packPayload(encoded, zstd);
      // Small payloads are ready: they are on their way before this call returns.
      const payload = packed instanceof Promise ? await packed : packed;
      const parts = encodeFrame(
        this.#identityOf(address, elements),
        { ...contribution, generation, zstd: payload.zstd },
        payload.parts,
      );
      return channel.put(this.keyOf(address), parts, { ifAbsent: channel.capabilities.conditionalPut });
    });
  }

  /** The frame if it is there. */
  async read(expected: ExpectedFrame): Promise<Received | undefined> {
    const { channel, clock } = this.#options;
    return clock.working(async () => {
      const bytes = await channel.get({ key: this.keyOf(expected.address) }, expected.into);
      return bytes === undefined ? undefined : this.#unpack(expected, bytes);
    });
  }

  /**
   * Calls `take` with each frame, in the order of arrival, one at a time. Throws SltrainError "peer-missing" naming
   * rank, step and key when one has not come in time.
   */
  async receive(
    expected: readonly ExpectedFrame[],
    options: WaitOptions,
    take: (frame: Received, index: number) => void,
  ): Promise<void> {
    if (expected.length === 0) return;
    const { channel, clock } = this.#options;
    const missing = new Set(expected.keys());
    const refs = expected.map(({ address, into }) => ({ key: this.keyOf(address), into }));
    try {
      for await (const { index, bytes } of channel.waitFor(refs, options)) {
        missing.delete(index);
        await clock.working(async () => {
          const unpacked = this.#unpack(expected[index]!, bytes);
          take(unpacked instanceof Promise ? await unpacked : unpacked, index);
        });
      }
    } catch (error) {
      const [first] = missing;
      if (first === undefined || !(error instanceof SltrainError) || error.code !== "wait-timeout")
        throw error;
      throw this.#peerMissing(expected[first]!.address, missing.size, options.timeoutMs, error);
    }
  }

  #unpack({ address, elements }: ExpectedFrame, bytes: Uint8Array): Received | Promise<Received> {
    const { codec, zstd } = this.#options;
    const key = this.keyOf(address);
    const frame = decodeFrame(key, bytes, this.#identityOf(address, elements));
    const { contributors, weight, scalars } = frame;
    const encoded = unpackPayload(key, frame, codec, zstd, elements);
    return encoded instanceof Promise
      ? encoded.then((parts) => ({ contributors, weight, scalars, encoded: parts }))
      : { contributors, weight, scalars, encoded };
  }

  #peerMissing(address: FrameAddress, count: number, timeoutMs: number, cause: unknown): SltrainError {
    const others = count > 1 ? ` (and ${count - 1} more frames)` : "";
    return new SltrainError({
      code: "peer-missing",
      message:
        `collective: expected rank ${address.rank}'s ${address.stage} of step ${address.step} within ${timeoutMs} ms, ` +
        `but ${this.keyOf(address)} has not come${others}`,
      cause,
      suggestions: [
        `See what worker ${address.rank} logged last: it died, or it is far slower than its peers.`,
      ],
      retryable: true,
    });
  }
}
