// Error feedback: what a biased codec lost of one step is added to the next, so that everything is sent in the end (Seide
// et al., Interspeech 2014; Karimireddy et al., "Error Feedback Fixes SignSGD and other Gradient Compression Schemes",
// ICML 2019, algorithm 2). Whoever encodes keeps a residual as long as the chunk; it is part of a checkpoint.

import type { BiasedCodec, Encoded } from "./codec/codec.ts";
import { inBlocks } from "./codec/blocks.ts";

const BLOCK = 1024;

/**
 * Encodes values + residual, and leaves in `residual` (as long as `values`) what that lost. See `Codec.encode` for `room`
 * and `seed`; the result never views `values`.
 */
export function encodeWithFeedback(
  codec: BiasedCodec,
  values: Float32Array,
  residual: Float32Array,
  room: Encoded,
  seed: number,
): Encoded {
  inBlocks(values.length, BLOCK, (begin, end) => add(values, residual, begin, end));
  const encoded = codec.encode(residual, room, seed);
  codec.subtract(encoded, residual);
  return encoded;
}

function add(values: Float32Array, residual: Float32Array, begin: number, end: number): void {
  for (let i = begin; i < end; i++) residual[i]! += values[i]!;
}
