// Frames on a channel that forgets. A reader that has waited for long asks the writer for the object, by a note under a
// key that the writer looks at while it waits itself; the writer puts again what it still holds. That is enough: its
// own sums of the step under way, and the means of that step and the one before, for whoever begins a step knows that
// all have finished the one before the last. A rank that has ended answers nobody.

import { SltrainError } from "../errors.ts";
import type { Arrival, Channel, WaitOptions, WaitRef } from "../storage/storage.ts";
import { askKey, type ObjectAddress } from "./keys.ts";

/** A peer that is alive is rarely so late; one that is, is asked in vain. */
export const ASK_AFTER_MS = 1000;
/** A note that would be longer is cut: its writer asks again. */
const MAX_KEYS = 1000;

export interface ResendOptions {
  readonly channel: Channel;
  readonly runId: string;
  readonly rank: number;
  /** Waiting so long means that the object may be lost; asked again, and notes looked at, twice as often. */
  readonly askAfterMs: number;
}

interface Held {
  readonly address: ObjectAddress;
  readonly isMean: boolean;
  readonly parts: readonly Uint8Array[];
}

export class ResendDesk {
  readonly #options: ResendOptions;
  readonly #held = new Map<string, Held>();
  #answering: Promise<void> = Promise.resolve();

  constructor(options: ResendOptions) {
    this.#options = options;
  }

  /** Keeps what is put under `key`: a mean in a copy, sums as they are until `release`. */
  hold(key: string, held: Held): void {
    const { lane, step } = held.address;
    this.#drop(({ address }) => address.lane === lane && address.step < step - 1);
    this.#held.set(key, held.isMean ? { ...held, parts: [Buffer.concat(held.parts)] } : held);
  }

  /** Forgets the sums of a bucket, of which all means are there; when it settles, nothing reads their memory. */
  async release({ lane, step, bucket }: Pick<ObjectAddress, "lane" | "step" | "bucket">): Promise<void> {
    this.#drop(
      ({ address, isMean }) =>
        !isMean && address.lane === lane && address.step === step && address.bucket === bucket,
    );
    await this.#answering;
  }

  #drop(which: (held: Held) => boolean): void {
    for (const [key, held] of this.#held) if (which(held)) this.#held.delete(key);
  }

  /** `Channel.waitFor` of objects that `writers` put; see there. */
  async *waitFor(
    refs: readonly WaitRef[],
    writers: readonly number[],
    options: WaitOptions,
  ): AsyncGenerator<Arrival> {
    const { channel, askAfterMs } = this.#options;
    const deadlineMs = performance.now() + options.timeoutMs;
    let missing = refs.map((_, index) => index);
    for (let patienceMs = askAfterMs; ; patienceMs = askAfterMs / 2) {
      const leftMs = Math.max(0, deadlineMs - performance.now());
      const asked = missing;
      const wait = { ...options, timeoutMs: Math.min(patienceMs, leftMs) };
      try {
        for await (const { index, bytes } of channel.waitFor(
          asked.map((ref) => refs[ref]!),
          wait,
        )) {
          missing = missing.filter((ref) => ref !== asked[index]);
          yield { index: asked[index]!, bytes };
        }
        return;
      } catch (error) {
        // A store that was gone for longer than such a wait may be back; what follows gives it all the time there is.
        const mayCome = error instanceof SltrainError && (error.code === "wait-timeout" || error.retryable);
        if (!mayCome || leftMs <= patienceMs) throw error;
      }
      this.#answering = this.#answering.then(() => this.#answer());
      await this.#answering;
      await this.#ask(missing.map((ref) => ({ key: refs[ref]!.key, writer: writers[ref]! })));
    }
  }

  /** Adds to what others have asked for; of two who ask at the same time one is heard later. */
  async #ask(lost: readonly { readonly key: string; readonly writer: number }[]): Promise<void> {
    const { channel, runId } = this.#options;
    for (const [writer, asked] of Map.groupBy(lost, (one) => one.writer)) {
      const note = askKey(runId, writer);
      const before = linesOf(await channel.get({ key: note }));
      const keys = new Set([...asked.map(({ key }) => key), ...before]);
      await channel.put(note, [Buffer.from([...keys].slice(0, MAX_KEYS).join("\n"))]);
    }
  }

  async #answer(): Promise<void> {
    const { channel, runId, rank } = this.#options;
    const note = askKey(runId, rank);
    const asked = linesOf(await channel.get({ key: note }));
    if (asked.length === 0) return;
    await channel.delete([note]);
    const ifAbsent = channel.capabilities.conditionalPut;
    const held = asked.flatMap((key) => {
      const found = this.#held.get(key);
      return found === undefined ? [] : [{ key, parts: found.parts }];
    });
    await Promise.all(held.map(({ key, parts }) => channel.put(key, parts, { ifAbsent })));
  }
}

function linesOf(bytes: Uint8Array | undefined): string[] {
  return bytes === undefined || bytes.byteLength === 0 ? [] : Buffer.from(bytes).toString().split("\n");
}
