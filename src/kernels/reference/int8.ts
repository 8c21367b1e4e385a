// Reference kernels of int8. Scales and quotients are rounded to f32 as on every device: integers have no tolerance.

import { philox4x32 } from "../../random.ts";
import type { ReferenceKernel } from "../kernel.ts";
import {
  ELEMENTS_PER_RANDOM_BLOCK,
  INT8_KEY,
  int8Decode,
  int8Encode,
  MINIMUM_SCALE,
  type Int8DecodeParams,
  type Int8EncodeParams,
} from "../ops/int8.ts";
import type { TensorData } from "../tensor.ts";
import { roundToEven } from "./round.ts";

export const int8EncodeReference: ReferenceKernel<Int8EncodeParams> = {
  op: int8Encode,
  run({ params: { blockElements, rounding } }, [x, counters], [packed, scales]) {
    const round = rounding === "nearest" ? toNearest : stochastically(counters!);
    for (let word = 0; word < packed!.length; word++) packed![word] = 0;
    for (let block = 0; block < scales!.length; block++) {
      const begin = block * blockElements;
      const end = Math.min(begin + blockElements, x!.length);
      let largest = 0;
      for (let e = begin; e < end; e++) largest = Math.max(largest, Math.abs(x![e]!));
      const scale = Math.max(Math.fround(largest / 127), MINIMUM_SCALE);
      scales![block] = scale;
      for (let e = begin; e < end; e++) {
        const q = round(Math.max(-127, Math.min(127, Math.fround(x![e]! / scale))), e);
        packed![e >> 2] = packed![e >> 2]! | ((q & 0xff) << (8 * (e % 4)));
      }
    }
  },
};

function toNearest(value: number): number {
  return Math.sign(value) * roundToEven(Math.abs(value));
}

function stochastically(counters: TensorData): (value: number, e: number) => number {
  const [step, chunk, seed, rank] = Uint32Array.from(counters);
  const words = new Uint32Array(4);
  const halves = new Uint16Array(words.buffer);
  let made = -1;
  return (value, e) => {
    const block = Math.floor(e / ELEMENTS_PER_RANDOM_BLOCK);
    if (block !== made) philox4x32(block, step!, chunk!, rank!, seed!, INT8_KEY, words);
    made = block;
    const below = Math.floor(value);
    const threshold = (halves[e % ELEMENTS_PER_RANDOM_BLOCK]! + 0.5) / 0x10000;
    return threshold < value - below ? below + 1 : below;
  };
}

export const int8DecodeReference: ReferenceKernel<Int8DecodeParams> = {
  op: int8Decode,
  run({ params: { blockElements } }, [packed, scales], [x]) {
    for (let e = 0; e < x!.length; e++) {
      const q = (packed![e >> 2]! << (24 - 8 * (e % 4))) >> 24;
      x![e] = q * scales![Math.floor(e / blockElements)]!;
    }
  },
};
