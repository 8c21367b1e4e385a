// Checksums: XXH32 (Y. Collet, "xxHash fast digest algorithm", specification 0.1.1) with seed 0. Of 32-bit arithmetic
// alone, so that every device has it; a hash runs from its first byte to its last, so that long data is cut into pieces
// that are hashed side by side. CRC-32C was rejected: without a carry-less product it is bound by look-ups in tables.

import type { Op } from "../op.ts";
import { elementCount, i32 } from "../tensor.ts";
import { bindShapes, expectPositiveInteger } from "./shapes.ts";

export interface Xxh32Params {
  /** Words of a piece; the last one may be shorter. */
  readonly pieceWords: number;
}

export const XXH32_PRIMES = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1] as const;

/** words i32[L] -> hashes i32[ceil(L / pieceWords)], of each piece's bytes, little-endian */
export const xxh32: Op<Xxh32Params> = {
  name: "xxh32",
  infer(inputs, { pieceWords }) {
    const { L } = bindShapes("xxh32", inputs, { words: "i32 L" });
    expectPositiveInteger("xxh32", "pieceWords", pieceWords);
    return [i32(Math.ceil(L / pieceWords))];
  },
  flops: (inputs) => 2 * elementCount(inputs[0]!),
  vjp: "not-differentiable",
};
