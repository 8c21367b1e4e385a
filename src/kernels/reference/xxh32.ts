// Reference kernel of xxh32.

import type { ReferenceKernel } from "../kernel.ts";
import { xxh32, XXH32_PRIMES, type Xxh32Params } from "../ops/xxh32.ts";
import type { TensorData } from "../tensor.ts";

const [P1, P2, P3, P4, P5] = XXH32_PRIMES;
const { imul } = Math;

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function hash(words: TensorData): number {
  const lanes = [P1 + P2, P2, 0, -P1];
  let at = 0;
  for (; at + 4 <= words.length; at += 4)
    for (let lane = 0; lane < 4; lane++)
      lanes[lane] = imul(rotate(lanes[lane]! + imul(words[at + lane]!, P2), 13), P1);
  const [a, b, c, d] = lanes as [number, number, number, number];
  let h = words.length < 4 ? P5 : rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
  h += 4 * words.length;
  for (; at < words.length; at++) h = imul(rotate(h + imul(words[at]!, P3), 17), P4);
  h = imul(h ^ (h >>> 15), P2);
  h = imul(h ^ (h >>> 13), P3);
  return h ^ (h >>> 16);
}

export const xxh32Reference: ReferenceKernel<Xxh32Params> = {
  op: xxh32,
  run({ params: { pieceWords } }, [words], [hashes]) {
    for (let piece = 0; piece < hashes!.length; piece++)
      hashes![piece] = hash(words!.subarray(piece * pieceWords, (piece + 1) * pieceWords));
  },
};
