// The seed of a frame's stochastic rounding: a function of run and address, so that whoever encodes the same values for
// the same place writes the same bytes.

import { philox4x32 } from "../random.ts";
import type { FrameAddress } from "../shard/frame.ts";

/** `seed` is the run's. */
export function roundingSeed(seed: number, { lane, level, step, bucket, piece, rank }: FrameAddress): number {
  const out = new Uint32Array(4);
  philox4x32(step, bucket, piece, lane * 256 + level, seed, rank, out);
  return out[0]!;
}
