// Kernel of xxh32: four pieces side by side, for one is a chain of products that leaves the processor idle.

import type { KernelCall } from "../../kernel.ts";
import { xxh32, XXH32_PRIMES, type Xxh32Params } from "../../ops/xxh32.ts";
import { elementCount } from "../../tensor.ts";
import { forRange, increase, repeat, when } from "../../../wasm/emitter.ts";
import { i32, i32x4, v128, type Body } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, VECTOR_BYTES, VECTOR_FLOATS } from "../../../wasm/lanes.ts";

const PIECES = 4;
const WORD_BYTES = FLOAT_BYTES;
const [P1, P2, P3, P4, P5] = XXH32_PRIMES;

export const xxh32Kernel: WasmKernel = {
  name: "xxh32-wasm",
  op: xxh32,
  accepts: () => true,
  emit(module, { inputs, outputs, params: { pieceWords } }: KernelCall<Xxh32Params>) {
    const total = elementCount(inputs[0]!);
    const lastWords = total % pieceWords;
    const wholePieces = Math.floor(total / pieceWords);
    const wholeGroups = Math.floor(wholePieces / PIECES);
    const pieceBytes = pieceWords * WORD_BYTES;
    const names = ["begin", "end", "words", "hashes", "scratch"] as const;
    const func = module.func(`xxh32 ${total} ${pieceWords}`, names, (p, f) => {
      const { group, count, hash } = f.named("i32", ["group", "count", "hash"]);
      const { prime1, prime2 } = f.named("v128", ["prime1", "prime2"]);
      const sums = f.locals("v128", PIECES);

      /** Hashes that many pieces of `words` words; both addresses advance, that of the words by one piece. */
      const hashPieces = (pieces: number, words: number): Body => {
        const stripes = Math.floor(words / VECTOR_FLOATS);
        const restBytes = (words % VECTOR_FLOATS) * WORD_BYTES;
        const used = sums.slice(0, pieces);
        const lane = (piece: number, index: number, bits: number) =>
          i32.rotl(i32x4.extractLane(sums[piece]!, index), bits);
        return [
          used.map((sum) => sum.set(i32x4.const([P1 + P2, P2, 0, -P1]))),
          repeat(count, stripes, [
            used.map((sum, piece) => [
              sum.set(i32x4.add(sum, i32x4.mul(v128.load(p.words, piece * pieceBytes), prime2))),
              sum.set(v128.or(i32x4.shl(sum, 13), i32x4.shrU(sum, 32 - 13))),
              sum.set(i32x4.mul(sum, prime1)),
            ]),
            increase(p.words, VECTOR_BYTES),
          ]),
          used.map((_, piece) => [
            hash.set(
              stripes === 0
                ? P5
                : i32.add(
                    i32.add(lane(piece, 0, 1), lane(piece, 1, 7)),
                    i32.add(lane(piece, 2, 12), lane(piece, 3, 18)),
                  ),
            ),
            increase(hash, words * WORD_BYTES),
            Array.from({ length: restBytes / WORD_BYTES }, (__, i) => {
              const word = i32.load(p.words, piece * pieceBytes + i * WORD_BYTES);
              return hash.set(i32.mul(i32.rotl(i32.add(hash, i32.mul(word, P3)), 17), P4));
            }),
            hash.set(i32.mul(i32.xor(hash, i32.shrU(hash, 15)), P2)),
            hash.set(i32.mul(i32.xor(hash, i32.shrU(hash, 13)), P3)),
            i32.store(p.hashes, i32.xor(hash, i32.shrU(hash, 16))),
            increase(p.hashes, WORD_BYTES),
          ]),
          increase(p.words, restBytes),
        ];
      };
      const restPieces = wholePieces % PIECES;
      const others = f.local("i32");
      return [
        prime1.set(i32x4.splat(P1)),
        prime2.set(i32x4.splat(P2)),
        increase(p.words, i32.mul(p.begin, PIECES * pieceBytes)),
        increase(p.hashes, i32.mul(p.begin, PIECES * WORD_BYTES)),
        forRange(group, p.begin, p.end, 1, [
          when(
            i32.ltU(group, wholeGroups),
            [hashPieces(PIECES, pieceWords), increase(p.words, (PIECES - 1) * pieceBytes)],
            [
              repeat(others, restPieces, hashPieces(1, pieceWords)),
              lastWords === 0 ? [] : hashPieces(1, lastWords),
            ],
          ),
        ]),
      ];
    });
    return singlePhase({ func, extent: Math.ceil(elementCount(outputs[0]!) / PIECES), grain: 1 });
  },
};
