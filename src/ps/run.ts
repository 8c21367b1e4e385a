// What a server knows of one run: its pieces, its open rounds, and how far its checkpoints have come.

import { randomUUID } from "node:crypto";
import { FrameCoder } from "../allreduce/frame-coder.ts";
import type { LaneDescription, RunDescription } from "../allreduce/ps/protocol.ts";
import type { Codec } from "../shard/codec/codec.ts";
import { codecOf } from "../shard/codec/codecs.ts";
import { maxFrameBytes } from "../shard/payload.ts";
import type { Zstd } from "../shard/zstd.ts";
import { Lane } from "./lane.ts";
import { Piece, type PieceOptions } from "./piece.ts";

export class Run {
  readonly id: string;
  readonly description: RunDescription;
  /** Differs between two servers, and between two times that one server knew the run. */
  readonly incarnation = randomUUID();
  readonly lanes: readonly Lane[];
  /** With the means of the two rounds that ranks can be in at the same time. */
  readonly neededBytes: number;
  lastUsedMs = performance.now();
  /** Slots and accumulators. */
  readonly #workingBytes: number;
  readonly #durable: Int32Array;

  /** Throws SltrainError "codec-invalid". */
  constructor(id: string, description: RunDescription, zstd: Zstd) {
    this.id = id;
    this.description = description;
    const pieces = description.lanes.map((lane) => this.#piecesOf(lane));
    const total = (bytesOf: (piece: PieceOptions) => number): number =>
      pieces.flat().reduce((sum, piece) => sum + bytesOf(piece), 0);
    this.#workingBytes = total((piece) => Piece.workingBytes(piece));
    this.neededBytes =
      this.#workingBytes + 2 * total(({ meanCodec, elements }) => maxFrameBytes(meanCodec, elements, 0, 0));
    const { worldSize } = description;
    this.lanes = description.lanes.map((lane, i) => {
      const made = pieces[i]!.map((piece) => new Piece(piece));
      const coder = new FrameCoder({ runId: id, generation: 0, zstd });
      return new Lane({ pieces: made, worldSize, ...this.#codecsOf(lane), coder, apart: lane.apart });
    });
    this.#durable = new Int32Array(worldSize).fill(-1);
  }

  #piecesOf(lane: LaneDescription): PieceOptions[] {
    const { worldSize } = this.description;
    return lane.pieces.map(([bucket, piece, elements]) => ({
      ...{ bucket, piece, elements, worldSize, ...this.#codecsOf(lane) },
    }));
  }

  #codecsOf({ codec: id, parameter }: LaneDescription): { readonly codec: Codec; readonly meanCodec: Codec } {
    const codec = codecOf(id, parameter);
    return { codec, meanCodec: codec.ofSum?.(this.description.worldSize) ?? codec };
  }

  /** The rank of this server in its frames. */
  get serverRank(): number {
    return this.description.worldSize + this.description.server;
  }

  /** A rank's newest training step. */
  stepOf(rank: number): number {
    return Math.max(-1, ...this.lanes.map((lane) => (lane.options.apart ? -1 : lane.newestOf(rank))));
  }

  get heldBytes(): number {
    return this.lanes.reduce((total, lane) => total + lane.heldBytes, this.#workingBytes);
  }

  /**
   * `durableStep` is the newest step whose checkpoint this rank knows to be durable. What no rank can need is dropped:
   * one that starts anew replays the means after the oldest durable step.
   */
  sweep(rank: number, durableStep: number): void {
    this.#durable[rank] = Math.max(this.#durable[rank]!, durableStep);
    const durable = Math.min(...this.#durable);
    for (const lane of this.lanes) {
      // A checkpoint of step s may have been taken before what counts apart and followed s was reduced.
      const newest = lane.options.apart ? durable - 1 : durable;
      lane.drop(({ duringStep }) => duringStep <= newest);
    }
  }

  /** Drops means, the oldest first, that only a rank that starts anew could ask for, until there is room. */
  dropUntil(isRoom: () => boolean): void {
    for (const lane of this.lanes) lane.drop(() => true, isRoom);
  }
}
