// Reference kernels of byte-shuffle and byte-unshuffle.

import type { ReferenceKernel } from "../kernel.ts";
import { byteShuffle, byteUnshuffle, planeWords } from "../ops/byte-shuffle.ts";
import type { NoParams } from "../ops/elementwise.ts";
import type { DecodeParams } from "../ops/half-precision.ts";
import type { TensorData } from "../tensor.ts";

function byteOf(words: TensorData, index: number): number {
  return (words[index >> 2]! >>> (8 * (index % 4))) & 0xff;
}

export const byteShuffleReference: ReferenceKernel<NoParams> = {
  op: byteShuffle,
  run({ inputs }, [words], [planes]) {
    const L = inputs[0]!.shape[0]!;
    const planeBytes = 4 * planeWords(L);
    const bytes = new Uint8Array(4 * planeBytes);
    for (let k = 0; k < 4; k++)
      for (let e = 0; e < L; e++) bytes[k * planeBytes + e] = byteOf(words!, 4 * e + k);
    planes!.set(new Int32Array(bytes.buffer));
  },
};

export const byteUnshuffleReference: ReferenceKernel<DecodeParams> = {
  op: byteUnshuffle,
  run({ params: { length } }, [planes], [words]) {
    const planeBytes = 4 * planeWords(length);
    const bytes = new Uint8Array(4 * length);
    for (let k = 0; k < 4; k++)
      for (let e = 0; e < length; e++) bytes[4 * e + k] = byteOf(planes!, k * planeBytes + e);
    words!.set(new Int32Array(bytes.buffer));
  },
};
