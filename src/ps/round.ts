// One round of one run on its server: adds the ranks' frames to each piece in rank order, encodes the mean once, and
// hands it to whoever follows.

import type { MissingPart } from "../allreduce/ps/protocol.ts";
import { type Part, RankOrderedSum } from "../allreduce/rank-ordered-sum.ts";
import type { Piece } from "./piece.ts";

/** Gets each mean of the round once, then the end. */
export interface Follower {
  mean(frame: readonly Uint8Array[]): void;
  end(): void;
}

interface PieceRound {
  readonly sum: RankOrderedSum;
  /** Ranks whose frames are in their slots, or added already. */
  readonly received: Set<number>;
  added: number;
  /** Whether rank 0 compressed its part: what pays for sums pays for their mean. */
  compresses: boolean;
  mean: readonly Uint8Array[] | undefined;
}

export class Round {
  readonly step: number;
  /** The newest training step when the round was opened: its own, unless its lane counts apart. */
  readonly duringStep: number;
  /** Of its means. */
  heldBytes = 0;
  readonly #pieces: readonly Piece[];
  readonly #rounds: readonly PieceRound[];
  readonly #followers = new Set<Follower>();
  readonly #worldSize: number;
  #meansMissing: number;

  constructor(step: number, duringStep: number, pieces: readonly Piece[], worldSize: number) {
    this.step = step;
    this.duringStep = duringStep;
    this.#pieces = pieces;
    this.#worldSize = worldSize;
    this.#rounds = pieces.map(({ sums }) => ({
      sum: new RankOrderedSum(worldSize, sums),
      received: new Set(),
      added: 0,
      compresses: false,
      mean: undefined,
    }));
    this.#meansMissing = pieces.length;
  }

  /** Whether this rank's part of the piece is there, or no longer needed. */
  has(piece: number, rank: number): boolean {
    const { received, mean } = this.#rounds[piece]!;
    return mean !== undefined || received.has(rank);
  }

  hasMean(piece: number): boolean {
    return this.#rounds[piece]!.mean !== undefined;
  }

  /** The rank's frame is whole and its slot taken. */
  received(piece: number, rank: number): void {
    this.#rounds[piece]!.received.add(rank);
  }

  /** What came was not what it should be. */
  refused(piece: number, rank: number): void {
    this.#rounds[piece]!.received.delete(rank);
  }

  compress(piece: number, does: boolean): void {
    this.#rounds[piece]!.compresses = does;
  }

  compresses(piece: number): boolean {
    return this.#rounds[piece]!.compresses;
  }

  /** Adds a part that was received; the sum of all ranks' once the last is there, if it is still wanted. */
  add(piece: number, rank: number, part: Part): RankOrderedSum | undefined {
    const round = this.#rounds[piece]!;
    if (round.mean !== undefined || this.#pieces[piece]!.step !== this.step) return undefined;
    round.sum.take(rank, part);
    return ++round.added === this.#worldSize ? round.sum : undefined;
  }

  /** The first mean of a piece is its only one. */
  setMean(piece: number, frame: readonly Uint8Array[]): void {
    const round = this.#rounds[piece]!;
    if (round.mean !== undefined) return;
    round.mean = frame;
    this.#meansMissing--;
    this.heldBytes += frame.reduce((total, { byteLength }) => total + byteLength, 0);
    for (const follower of this.#followers) {
      follower.mean(frame);
      if (this.#meansMissing === 0) follower.end();
    }
    if (this.#meansMissing === 0) this.#followers.clear();
  }

  follow(follower: Follower): void {
    for (const { mean } of this.#rounds) if (mean !== undefined) follower.mean(mean);
    if (this.#meansMissing === 0) follower.end();
    else this.#followers.add(follower);
  }

  unfollow(follower: Follower): void {
    this.#followers.delete(follower);
  }

  missing(): MissingPart[] {
    return this.#pieces.flatMap(({ bucket, number: piece }, i) => {
      const { mean, received } = this.#rounds[i]!;
      const ranks = Array.from({ length: this.#worldSize }, (_, rank) => rank);
      return mean !== undefined
        ? []
        : [{ bucket, piece, ranks: ranks.filter((rank) => !received.has(rank)) }];
    });
  }
}
