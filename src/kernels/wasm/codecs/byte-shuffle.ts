// Kernels of byte-shuffle and byte-unshuffle: sixteen words at a time are four planes of sixteen bytes.

import type { KernelCall } from "../../kernel.ts";
import { byteShuffle, byteUnshuffle, planeWords } from "../../ops/byte-shuffle.ts";
import type { DecodeParams } from "../../ops/half-precision.ts";
import { elementCount } from "../../tensor.ts";
import { shuffle8, v128, type V128 } from "../../../wasm/instructions.ts";
import { singlePhase, type WasmKernel } from "../kernel.ts";
import { FLOAT_BYTES, storeRow, sweepStreams, vectorsOf } from "../../../wasm/lanes.ts";
import { keepLanes } from "../../../wasm/rows.ts";
import { transpose4x4 } from "../../../wasm/transpose.ts";

const PASS_WORDS = 16;

/** The bytes of four words by their place: its own inverse. */
function transposeBytes(words: V128): V128 {
  return shuffle8(words, v128.zero, [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);
}

const shuffleKernel: WasmKernel = {
  name: "byte-shuffle-wasm",
  op: byteShuffle,
  accepts: () => true,
  emit(module, { inputs }: KernelCall) {
    const extent = elementCount(inputs[0]!);
    const planeBytes = planeWords(extent) * FLOAT_BYTES;
    const names = ["begin", "end", "words", "planes", "scratch"] as const;
    const func = module.func(`byte-shuffle ${extent}`, names, (p, f) => {
      const square = transpose4x4(f);
      const bytes = f.local("v128");
      const streams = [
        { pointer: p.words, elementBytes: FLOAT_BYTES },
        { pointer: p.planes, elementBytes: 1 },
      ];
      return sweepStreams(extent, p, f.local("i32"), streams, PASS_WORDS, (words) => [
        square.rows.map((row) => row.set(v128.zero)),
        vectorsOf(words).map(({ offset, lanes }, i) =>
          square.rows[i]!.set(transposeBytes(keepLanes(v128.load(p.words, offset), lanes, v128.zero))),
        ),
        square.interleave,
        square.columns.map((column, plane) => [
          bytes.set(column),
          storeRow(p.planes, vectorsOf(Math.ceil(words / 4)), [bytes], plane * planeBytes),
        ]),
      ]);
    });
    return singlePhase({ func, extent, grain: PASS_WORDS });
  },
};

const unshuffleKernel: WasmKernel = {
  name: "byte-unshuffle-wasm",
  op: byteUnshuffle,
  accepts: () => true,
  emit(module, { params: { length: extent } }: KernelCall<DecodeParams>) {
    const planeBytes = planeWords(extent) * FLOAT_BYTES;
    const names = ["begin", "end", "planes", "words", "scratch"] as const;
    const func = module.func(`byte-unshuffle ${extent}`, names, (p, f) => {
      const square = transpose4x4(f);
      const values = f.locals("v128", 4);
      const streams = [
        { pointer: p.planes, elementBytes: 1 },
        { pointer: p.words, elementBytes: FLOAT_BYTES },
      ];
      return sweepStreams(extent, p, f.local("i32"), streams, PASS_WORDS, (words) => [
        square.rows.map((row, plane) => row.set(v128.load(p.planes, plane * planeBytes))),
        square.interleave,
        values.map((value, i) => value.set(transposeBytes(square.columns[i]!))),
        storeRow(p.words, vectorsOf(words), values),
      ]);
    });
    return singlePhase({ func, extent, grain: PASS_WORDS });
  },
};

export const byteShuffleKernels: readonly WasmKernel[] = [shuffleKernel, unshuffleKernel];
