// Frames through a channel: a key for each object, put once, and waited for.

import { SltrainError } from "../errors.ts";
import { frameDamaged, frameLength } from "../shard/frame.ts";
import type { Arrival, Channel, PutOutcome } from "../storage/storage.ts";
import type { ExchangeClock } from "./exchange-clock.ts";
import {
  type ExpectedObject,
  FrameCoder,
  type FrameCoderOptions,
  type Frames,
  type ReceiveOptions,
  type Received,
} from "./frame-coder.ts";
import type { ObjectAddress } from "./keys.ts";
import type { ResendDesk } from "./resend.ts";
import { unpackSlot } from "./slots.ts";

export interface FrameChannelOptions extends FrameCoderOptions {
  readonly channel: Channel;
  readonly clock: ExchangeClock;
  /** Where the channel may forget. */
  readonly resend?: ResendDesk;
}

/** Why a wait ends before all is there. */
const ENOUGH = new Error("a quorum of the objects has come");

export class FrameChannel extends FrameCoder implements Frames {
  readonly #options: FrameChannelOptions;

  constructor(options: FrameChannelOptions) {
    super(options);
    this.#options = options;
  }

  /** On a channel without conditional puts the same rank, step and state must give the same bytes. */
  put(address: ObjectAddress, parts: readonly Uint8Array[], { isMean = false } = {}): Promise<PutOutcome> {
    const { channel, resend } = this.#options;
    const key = this.keyOf(address);
    resend?.hold(key, { address, isMean, parts });
    return channel.put(key, parts, { ifAbsent: channel.capabilities.conditionalPut });
  }

  async release(bucket: Pick<ObjectAddress, "lane" | "step" | "bucket">): Promise<void> {
    await this.#options.resend?.release(bucket);
  }

  async read(expected: ExpectedObject): Promise<Received[] | undefined> {
    const { into, ...ref } = this.#refOf(expected);
    const bytes = await this.#options.channel.get(ref, into);
    return bytes === undefined ? undefined : this.#unpack(expected, bytes);
  }

  async receive(
    expected: readonly ExpectedObject[],
    options: ReceiveOptions,
    take: (frames: readonly Received[], index: number) => void,
    onFirst?: (arrival: Arrival) => void,
  ): Promise<void> {
    if (expected.length === 0) return;
    const { channel, clock, resend } = this.#options;
    const { late, quorum } = options;
    const missing = new Set(expected.keys());
    const stop = new AbortController();
    const signals = [stop.signal, ...(options.signal ? [options.signal] : [])];
    const wait = quorum ? { ...options, signal: AbortSignal.any(signals) } : options;
    let isLate = false;
    const settle = (): void => {
      if (quorum && isLate && expected.length - missing.size >= quorum.objects) stop.abort(ENOUGH);
    };
    const refs = expected.map((object) => this.#refOf(object));
    const arrivals =
      resend?.waitFor(
        refs,
        expected.map(({ address }) => address.rank),
        wait,
      ) ?? channel.waitFor(refs, wait);
    const timers = [
      late && setTimeout(() => late.tell(writersOf(expected, missing), "missing"), late.afterMs),
      quorum &&
        setTimeout(() => {
          isLate = true;
          settle();
        }, quorum.afterMs),
    ];
    try {
      for await (const arrival of arrivals) {
        const { index, bytes } = arrival;
        if (missing.size === expected.length) onFirst?.(arrival);
        missing.delete(index);
        await clock.working(async () => {
          take(await this.#unpack(expected[index]!, bytes), index);
        });
        settle();
      }
    } catch (error) {
      if (error === ENOUGH) return;
      const [first] = missing;
      if (first === undefined || !(error instanceof SltrainError) || error.code !== "wait-timeout")
        throw error;
      throw this.#peerMissing(expected[first]!.address, missing.size, options.timeoutMs, error);
    } finally {
      timers.forEach(clearTimeout);
    }
  }

  #refOf({ address, into, slot }: ExpectedObject) {
    const key = this.keyOf(address);
    return slot === undefined
      ? { key, into }
      : { key, range: slot, into: into.subarray(0, slot.end - slot.begin) };
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
    const key = this.keyOf(expected.address);
    return Promise.all(frames.map((frame, i) => this.decode(key, expected.codec, frame, parts[i]!)));
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

/** Of the objects `indices`, each once. */
function writersOf(expected: readonly ExpectedObject[], indices: Iterable<number>): number[] {
  return [...new Set(Array.from(indices, (index) => expected[index]!.address.rank))];
}
