// A rank's frame into the sum of its piece; the last one makes the mean, which the server encodes once for all ranks.

import type { Decoded } from "../allreduce/frame-coder.ts";
import { MEAN_LEVEL } from "../allreduce/ps/protocol.ts";
import { NO_ABSENT, type RankOrderedSum } from "../allreduce/rank-ordered-sum.ts";
import { roundingSeed } from "../allreduce/rounding-seed.ts";
import { type Codec, type Encoded, roomFor } from "../shard/codec/codec.ts";
import { smallerForm } from "../shard/codec/f32-sparse.ts";
import { encodeWithFeedback } from "../shard/error-feedback.ts";
import type { FrameAddress } from "../shard/frame.ts";
import type { Lane } from "./lane.ts";
import type { Piece } from "./piece.ts";
import type { Round } from "./round.ts";
import type { Run } from "./run.ts";

/** One piece of one round, and the frame that is spoken of. */
export interface Place {
  readonly run: Run;
  readonly lane: Lane;
  readonly round: Round;
  readonly piece: Piece;
  /** Index of the piece in its lane. */
  readonly index: number;
  readonly address: FrameAddress;
}

/** `bytes` lie in the rank's slot. Throws "frame-damaged" or "frame-foreign"; then the rank may send again. */
export async function addFrame(place: Place, bytes: Uint8Array): Promise<void> {
  const { round, index, address } = place;
  // Before it first waits: nobody may write to the slot any more.
  round.received(index, address.rank);
  let part: Decoded;
  try {
    part = await decode(place, bytes, place.lane.options.codec);
  } catch (error) {
    round.refused(index, address.rank);
    throw error;
  }
  if (address.rank === 0) round.compress(index, part.compressed);
  const sum = round.add(index, address.rank, part);
  if (sum !== undefined) round.setMean(index, await encodeMean(place, sum));
}

/**
 * A mean that this server, before it was restarted, or forgot the run, had sent to a rank: the others may lack it, and
 * the sums that it was made of are gone. Throws as `addFrame`.
 */
export async function adoptMean(place: Place, bytes: Uint8Array): Promise<void> {
  await decode(place, bytes, place.lane.options.meanCodec);
  place.round.setMean(place.index, [bytes]);
}

function decode({ lane, piece, address }: Place, bytes: Uint8Array, codec: Codec): Promise<Decoded> {
  const { coder } = lane.options;
  return coder.decode(coder.keyOf(address), codec, { address, elements: piece.elements }, bytes);
}

async function encodeMean(place: Place, sum: RankOrderedSum): Promise<Uint8Array[]> {
  const { run, lane, piece } = place;
  const address = { ...place.address, level: MEAN_LEVEL, rank: run.serverRank };
  const values = new Float32Array(piece.elements);
  sum.writeMean(values);
  const { coder, meanCodec } = lane.options;
  const compress = place.round.compresses(place.index);
  const codec = smallerForm(compress ? (meanCodec.shuffled ?? meanCodec) : meanCodec, values, compress);
  const encoded = encode(codec, values, piece.residual, roundingSeed(run.description.seed, address));
  const packed = await coder.pack({ codec, encoded }, compress);
  return coder.frame({ address, elements: values.length }, packed, { ...sum.total, absent: NO_ABSENT });
}

/** The result may view `values`: the frame of a mean lives longer than its round. */
function encode(codec: Codec, values: Float32Array, residual: Float32Array, seed: number): Encoded {
  const room = roomFor(codec, values.length);
  return codec.biased
    ? encodeWithFeedback(codec, values, residual, room, seed)
    : codec.encode(values, room, seed);
}
