// Kernel of xxh32: an invocation a piece, for a hash runs from its first word to its last. What it waits for is memory, so
// that it reads some way ahead.

import type { KernelCall } from "../../kernel.ts";
import { xxh32, XXH32_PRIMES, type Xxh32Params } from "../../ops/xxh32.ts";
import { elementCount } from "../../tensor.ts";
import { flatPass } from "../emit/flat.ts";
import type { WebGpuKernel } from "../kernel.ts";

const [P1, P2, P3, P4, P5] = XXH32_PRIMES;

/** Vec4s that are read before the first of them is hashed. */
const AHEAD = 8;

const STEPS = `fn rotate(value: u32, bits: u32) -> u32 { return (value << bits) | (value >> (32u - bits)); }
fn hashed(lanes: vec4u, words: vec4u) -> vec4u {
  let sum = lanes + words * ${P2}u;
  return ((sum << vec4u(13u)) | (sum >> vec4u(19u))) * ${P1}u;
}
`;

export const xxh32Kernel: WebGpuKernel = {
  name: "xxh32-webgpu",
  op: xxh32,
  accepts: () => true,
  build({ inputs, outputs, params }: KernelCall) {
    const { pieceWords } = params as Xxh32Params;
    const length = elementCount(inputs[0]!);
    // Pieces of whole vec4s begin at one.
    const aligned = pieceWords % 4 === 0 || pieceWords >= length;
    const gathered = (at: string): string =>
      `vec4u(${[0, 1, 2, 3].map((lane) => `$words[${at} + ${lane}u]`).join(", ")})`;
    const four = (index: number): string =>
      aligned ? `$words[at / 4u + ${index}u]` : gathered(`at + ${4 * index}u`);
    const ahead = Array.from({ length: AHEAD }, (_, index) => index);
    const one = aligned ? "$words[at / 4u][at % 4u]" : "$words[at]";
    return {
      passes: [
        flatPass({
          count: elementCount(outputs[0]!),
          bindings: {
            words: { of: { input: 0 }, type: aligned ? "vec4u" : "u32" },
            hashes: { of: { output: 0 }, type: "u32" },
          },
          module: STEPS,
          body: `let begin = i * ${pieceWords}u;
  let count = min(${pieceWords}u, ${length}u - begin);
  let fours = begin + count / 4u * 4u;
  var lanes = vec4u(${(P1 + P2) >>> 0}u, ${P2}u, 0u, ${-P1 >>> 0}u);
  var at = begin;
  for (; at + ${4 * AHEAD}u <= fours; at += ${4 * AHEAD}u) {
    ${ahead.map((index) => `let words${index} = ${four(index)};`).join("\n    ")}
    ${ahead.map((index) => `lanes = hashed(lanes, words${index});`).join("\n    ")}
  }
  for (; at < fours; at += 4u) { lanes = hashed(lanes, ${four(0)}); }
  var h = ${P5}u;
  if (count >= 4u) {
    h = rotate(lanes.x, 1u) + rotate(lanes.y, 7u) + rotate(lanes.z, 12u) + rotate(lanes.w, 18u);
  }
  h += 4u * count;
  for (; at < begin + count; at++) { h = rotate(h + ${one} * ${P3}u, 17u) * ${P4}u; }
  h = (h ^ (h >> 15u)) * ${P2}u;
  h = (h ^ (h >> 13u)) * ${P3}u;
  $hashes[i] = h ^ (h >> 16u);`,
        }),
      ],
    };
  },
};
