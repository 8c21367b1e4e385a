// Frames through parameter servers: what a rank puts goes to the server that merges it, and what it waits for are the
// means, which each server sends in one stream for a round.

import { SltrainError } from "../../errors.ts";
import type { FrameAddress } from "../../shard/frame.ts";
import type { PutOutcome } from "../../storage/storage.ts";
import type { ExchangeClock } from "../exchange-clock.ts";
import {
  type ExpectedObject,
  FrameCoder,
  type FrameCoderOptions,
  type Frames,
  type OnLate,
  type ReceiveOptions,
  type Received,
} from "../frame-coder.ts";
import { type ObjectAddress, frameKey } from "../keys.ts";
import type { Connection, SentFrame } from "./connection.ts";
import { SUM_LEVEL } from "./protocol.ts";
import { type ServedPiece, ServedRound, unreachable } from "./round.ts";

const EXPLAIN_TIMEOUT_MS = 2_000;

export interface ServedFramesOptions extends FrameCoderOptions {
  readonly rank: number;
  readonly worldSize: number;
  readonly clock: ExchangeClock;
  readonly connections: readonly Connection[];
  /** By lane. */
  readonly pieces: readonly (readonly ServedPiece[])[];
}

/** The rounds of one lane of which a server may have to be told again, and memory for their means. */
interface LaneRounds {
  rounds: readonly ServedRound[];
  readonly slots: readonly (readonly Uint8Array[])[];
}

export class ServedFrames extends FrameCoder implements Frames {
  /** The newest step whose checkpoint is durable; told to the servers with each round. */
  durableStep = -1;
  readonly #options: ServedFramesOptions;
  readonly #lanes: readonly LaneRounds[];

  constructor(options: ServedFramesOptions) {
    super(options);
    this.#options = options;
    this.#lanes = options.pieces.map((pieces) => ({
      rounds: [],
      slots: [0, 1].map(() => pieces.map(({ maxBytes }) => new Uint8Array(maxBytes))),
    }));
  }

  put(address: ObjectAddress, parts: readonly Uint8Array[]): Promise<PutOutcome> {
    return this.#roundOf(address).put(address as FrameAddress, parts);
  }

  async release(): Promise<void> {
    await Promise.allSettled(this.#options.connections.map((connection) => connection.told()));
  }

  /** A server answers a put that comes late, and sends the mean with all others. */
  read(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async receive(
    expected: readonly ExpectedObject[],
    { timeoutMs, signal, late }: ReceiveOptions,
    take: (frames: readonly Received[], index: number) => void,
  ): Promise<void> {
    if (expected.length === 0) return;
    const { clock } = this.#options;
    const round = this.#roundOf(expected[0]!.address);
    if (signal !== undefined) round.endWith(signal);
    const missed = Promise.withResolvers<never>();
    const lateTimer = late && setTimeout(() => void this.#tellLate(round, late.tell), late.afterMs);
    const deadline = setTimeout(() => {
      this.#explain(round, timeoutMs).then(missed.reject, missed.reject);
    }, timeoutMs);
    const all = Promise.all(
      expected.map(async ({ frames, codec, address }, index) => {
        const bytes = await round.mean(round.indexOf(frames[0]!.address));
        await clock.working(async () => {
          take([await this.decode(this.keyOf(address), codec, frames[0]!, bytes)], index);
        });
      }),
    );
    try {
      await Promise.race([all, missed.promise]);
    } finally {
      clearTimeout(deadline);
      clearTimeout(lateTimer);
    }
  }

  /**
   * What a server that has forgotten the run must hear again. A peer may be as far back as the round before this rank's
   * last; the sums of that one are gone, for its means have come.
   */
  *held(connection: Connection): Iterable<SentFrame> {
    for (const { rounds } of this.#lanes) {
      for (const round of rounds) yield* round.heldMeans(connection, this.#options.worldSize);
      yield* rounds.at(-1)?.heldSums(connection) ?? [];
    }
  }

  async close(): Promise<void> {
    for (const { rounds } of this.#lanes) for (const round of rounds) round.abort(new Error("closed"));
    await Promise.all(this.#options.connections.map((connection) => connection.close()));
  }

  /** The round that is open, or the next one. */
  #roundOf({ lane: number, step }: Pick<FrameAddress, "lane" | "step">): ServedRound {
    const lane = this.#lanes[number]!;
    const last = lane.rounds.at(-1);
    if (last?.options.step === step && !last.signal.aborted) return last;
    const [even, odd] = lane.slots as [Uint8Array[], Uint8Array[]];
    // One that failed makes room for its repetition.
    const kept = last === undefined || last.signal.aborted ? lane.rounds.slice(0, -1) : [last];
    const opened = new ServedRound({
      ...{ lane: number, step, durableStep: this.durableStep, connections: this.#options.connections },
      pieces: this.#options.pieces[number]!,
      slots: kept.at(-1)?.options.slots === even ? odd : even,
    });
    lane.rounds = [...kept, opened];
    return opened;
  }

  /** The ranks that servers wait for, of those servers that answer. */
  async #tellLate({ owing, options: { lane, step } }: ServedRound, tell: OnLate): Promise<void> {
    const asked = owing.map((connection) =>
      connection.missing(lane, step, AbortSignal.timeout(EXPLAIN_TIMEOUT_MS)),
    );
    const answers = await Promise.allSettled(asked);
    const parts = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    const ranks = new Set(parts.flatMap((part) => part.ranks));
    if (ranks.size > 0) tell([...ranks], "missing");
  }

  /** Whom a round waited for, or which server could not be asked. */
  async #explain(round: ServedRound, timeoutMs: number): Promise<SltrainError> {
    const { runId, rank } = this.#options;
    const { lane, step, connections } = round.options;
    const owing = round.owing;
    for (const connection of owing) {
      if (connection.trouble !== undefined) return unreachable(connection, rank, step, timeoutMs);
      const missing = await connection.missing(lane, step, AbortSignal.timeout(EXPLAIN_TIMEOUT_MS));
      const late = missing.find(({ ranks }) => ranks.length > 0);
      if (late === undefined) continue;
      const [first, ...others] = late.ranks as [number, ...number[]];
      const { bucket, piece } = late;
      const key = frameKey(runId, { lane, step, level: SUM_LEVEL, bucket, piece, rank: first });
      return peerMissing(key, first, others, step, timeoutMs);
    }
    return unreachable(owing[0] ?? connections[0]!, rank, step, timeoutMs);
  }
}

function peerMissing(
  key: string,
  rank: number,
  others: readonly number[],
  step: number,
  timeoutMs: number,
): SltrainError {
  const more = others.length > 0 ? ` (nor have those of ranks ${others.join(", ")})` : "";
  return new SltrainError({
    code: "peer-missing",
    message: `collective: expected rank ${rank}'s part of step ${step} within ${timeoutMs} ms, but ${key} has not come${more}`,
    suggestions: [`See what worker ${rank} logged last: it died, or it is far slower than its peers.`],
    retryable: true,
  });
}
