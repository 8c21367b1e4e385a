// What one rank has sent to the servers in one round, and what came back. It holds what it sent until the mean has come,
// and that until the next round has ended.

import { SltrainError } from "../../errors.ts";
import type { FrameAddress } from "../../shard/frame.ts";
import type { PutOutcome } from "../../storage/storage.ts";
import type { Connection, SentFrame } from "./connection.ts";
import { FrameStream } from "./frame-stream.ts";
import { MEAN_LEVEL } from "./protocol.ts";

/** A rank that waits asks all servers whether they still know the run: a peer may wait for what this rank holds. */
const TOUCH_INTERVAL_MS = 1_000;

/** A piece, whose server will make its mean. */
export interface ServedPiece {
  readonly bucket: number;
  readonly piece: number;
  readonly server: number;
  readonly elements: number;
  readonly maxBytes: number;
}

export interface ServedRoundOptions {
  readonly lane: number;
  readonly step: number;
  readonly pieces: readonly ServedPiece[];
  /** One for the mean of each piece; the round's as long as this round or the next goes on. */
  readonly slots: readonly Uint8Array[];
  readonly connections: readonly Connection[];
  readonly durableStep: number;
}

interface PieceState {
  /** The server has it. */
  sent: SentFrame | undefined;
  /** The frame of the mean; a view of the piece's slot. */
  mean: Uint8Array | undefined;
  readonly arrived: PromiseWithResolvers<Uint8Array>;
}

export class ServedRound {
  readonly options: ServedRoundOptions;
  readonly #states: readonly PieceState[];
  readonly #controller = new AbortController();
  readonly #touching: NodeJS.Timeout;
  #missing: number;
  #endsWith: AbortSignal | undefined;

  /** Begins to follow the servers. */
  constructor(options: ServedRoundOptions) {
    this.options = options;
    this.#states = options.pieces.map(() => {
      const arrived = Promise.withResolvers<Uint8Array>();
      // Whoever waits hears of it; nobody may.
      arrived.promise.catch(() => undefined);
      return { sent: undefined, mean: undefined, arrived };
    });
    this.#missing = options.pieces.length;
    this.#touching = setInterval(() => this.#touchAll(), TOUCH_INTERVAL_MS);
    for (const server of options.connections.keys()) {
      this.#follow(server).catch((error: unknown) => this.abort(error));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the round with `signal`, at the latest. */
  endWith(signal: AbortSignal): void {
    if (this.#endsWith === signal) return;
    this.#endsWith = signal;
    if (signal.aborted) this.abort(signal.reason);
    signal.addEventListener("abort", () => this.abort(signal.reason), { once: true });
  }

  /** Ends all that is under way with `reason`. */
  abort(reason: unknown): void {
    clearInterval(this.#touching);
    this.#controller.abort(reason);
    for (const { arrived } of this.#states) arrived.reject(reason);
  }

  indexOf({ bucket, piece }: Pick<FrameAddress, "bucket" | "piece">): number {
    return this.options.pieces.findIndex((one) => one.bucket === bucket && one.piece === piece);
  }

  async put(address: FrameAddress, parts: readonly Uint8Array[]): Promise<PutOutcome> {
    const index = this.indexOf(address);
    const sent = { address, parts };
    const outcome = await this.#connectionOf(index).put(sent, this.signal);
    this.#states[index]!.sent = sent;
    return outcome;
  }

  /** The frame of the mean of a piece, when it has come. */
  mean(index: number): Promise<Uint8Array> {
    return this.#states[index]!.arrived.promise;
  }

  /** Servers that owe means. */
  get owing(): readonly Connection[] {
    const owes = (server: number): boolean =>
      this.options.pieces.some((piece, i) => piece.server === server && this.#states[i]!.mean === undefined);
    return this.options.connections.filter((_, server) => owes(server));
  }

  /** Frames of the means that this rank has, `worldSize` being the rank of the first server. */
  *heldMeans(connection: Connection, worldSize: number): Iterable<SentFrame> {
    const { lane, step } = this.options;
    for (const [i, { bucket, piece, server }] of this.options.pieces.entries()) {
      const { mean } = this.#states[i]!;
      if (this.#connectionOf(i) !== connection || mean === undefined) continue;
      const address = { lane, step, level: MEAN_LEVEL, bucket, piece, rank: worldSize + server };
      yield { address, parts: [mean] };
    }
  }

  /** Frames of the sums whose mean this rank lacks. */
  *heldSums(connection: Connection): Iterable<SentFrame> {
    for (const [i, { sent, mean }] of this.#states.entries()) {
      if (this.#connectionOf(i) === connection && sent !== undefined && mean === undefined) yield sent;
    }
  }

  #connectionOf(index: number): Connection {
    return this.options.connections[this.options.pieces[index]!.server]!;
  }

  /** Until the server has sent the means of all its pieces; one that is cut off is asked again. */
  async #follow(server: number): Promise<void> {
    const { lane, step, pieces, slots, connections, durableStep } = this.options;
    const connection = connections[server]!;
    const isMissing = (index: number): boolean => this.#states[index]!.mean === undefined;
    const own = [...pieces.keys()].filter((i) => pieces[i]!.server === server);
    while (own.some(isMissing)) {
      const stream = new FrameStream(
        `means of step ${step} from ${connection.server}`,
        (address) => {
          const index = this.indexOf(address);
          return index >= 0 && isMissing(index) ? slots[index] : undefined;
        },
        (address, bytes) => this.#arrived(this.indexOf(address), bytes),
      );
      const onData = (part: Uint8Array): void => stream.write(part);
      await connection.follow(lane, step, durableStep, { signal: this.signal, onData });
    }
  }

  #arrived(index: number, bytes: Uint8Array): void {
    const state = this.#states[index]!;
    state.mean = bytes;
    state.arrived.resolve(bytes);
    if (--this.#missing === 0) clearInterval(this.#touching);
  }

  #touchAll(): void {
    for (const connection of this.options.connections) {
      connection.touch(this.signal).catch((error: unknown) => this.abort(error));
    }
  }
}

/** The deadline has passed, and a server has not answered since. */
export function unreachable(
  { server, trouble }: Connection,
  rank: number,
  step: number,
  timeoutMs: number,
): SltrainError {
  return new SltrainError({
    code: "ps-unreachable",
    message:
      `collective: expected parameter server ${server} to give rank ${rank} the means of step ${step} within ` +
      `${timeoutMs} ms, but got ${trouble instanceof Error ? trouble.message : "none"}`,
    cause: trouble,
    suggestions: [`See that \`sltrain ps serve\` runs on ${server} and that the workers can reach it.`],
    retryable: true,
  });
}
