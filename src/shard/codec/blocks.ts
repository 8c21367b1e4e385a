// How codecs walk over long arrays: block by block, as they pass through the window of kernels, or in JavaScript, where V8
// optimises what is called often, and one long loop would run its first seconds in slower code.

import { AT, BLOCK_VALUES, bytesOf, copyIn, copyOut, fillTail } from "../simd/window.ts";
import type { ReadBlock } from "./codec.ts";

const VALUE_BYTES = 4;

/** Calls `loop` for [0, length) in pieces of `blockLength`; the last may be shorter. */
export function inBlocks(
  length: number,
  blockLength: number,
  loop: (begin: number, end: number, block: number) => void,
): void {
  for (let begin = 0, block = 0; begin < length; begin += blockLength, block++)
    loop(begin, Math.min(begin + blockLength, length), block);
}

/** Calls `encode` for each block of `values`, which is in the window then, with zeros behind it. */
export function encodeBlocks(values: Float32Array, encode: (begin: number, end: number) => void): void {
  const bytes = bytesOf(values);
  inBlocks(values.length, BLOCK_VALUES, (begin, end) => {
    copyIn(AT.values, bytes, begin * VALUE_BYTES, end * VALUE_BYTES);
    fillTail(end - begin);
    encode(begin, end);
  });
}

/** All that `read` gives. */
export function decodeBlocks(read: ReadBlock, out: Float32Array): void {
  const bytes = bytesOf(out);
  inBlocks(out.length, BLOCK_VALUES, (begin, end) => {
    read(begin, end);
    copyOut(bytes, begin * VALUE_BYTES, AT.values, (end - begin) * VALUE_BYTES);
  });
}

/** Reads f32 values that are not encoded. */
export function readerOf(values: Float32Array): ReadBlock {
  const bytes = bytesOf(values);
  return (begin, end) => copyIn(AT.values, bytes, begin * VALUE_BYTES, end * VALUE_BYTES);
}

/** The bits of f32 values: a view. Signed, for V8 keeps what is below 2^31 in integer registers. */
export function bitsOf(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/** The first `count` words of `bytes`: a view, or where the alignment forbids one, a copy. */
export function wordsOf(bytes: Uint8Array, count: number): Int32Array {
  const aligned = alignedTo(Int32Array.BYTES_PER_ELEMENT, bytes);
  return new Int32Array(aligned.buffer, aligned.byteOffset, count);
}

/** As `wordsOf`, as f32 values. */
export function floatsOf(bytes: Uint8Array, count: number): Float32Array {
  const aligned = alignedTo(Float32Array.BYTES_PER_ELEMENT, bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, count);
}

function alignedTo(alignment: number, bytes: Uint8Array): Uint8Array {
  // Not `slice`: that of a Buffer would be a view.
  return bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);
}
