// How codecs walk over long arrays: in short pieces, for V8 optimises what is called often, and one long loop would run
// its first seconds in slower code.

/** Calls `loop` for [0, length) in pieces of `blockLength`; the last may be shorter. */
export function inBlocks(
  length: number,
  blockLength: number,
  loop: (begin: number, end: number, block: number) => void,
): void {
  for (let begin = 0, block = 0; begin < length; begin += blockLength, block++)
    loop(begin, Math.min(begin + blockLength, length), block);
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

/** As `wordsOf`, of 16 bits each. */
export function halvesOf(bytes: Uint8Array, count: number): Uint16Array {
  const aligned = alignedTo(Uint16Array.BYTES_PER_ELEMENT, bytes);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, count);
}

/** As `wordsOf`, as f32 values. */
export function floatsOf(bytes: Uint8Array, count: number): Float32Array {
  const aligned = alignedTo(Float32Array.BYTES_PER_ELEMENT, bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, count);
}

function alignedTo(alignment: number, bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % alignment === 0 ? bytes : bytes.slice();
}

/** The largest magnitude's bits: they compare as integers, NaNs above all. */
export function largestMagnitude(bits: Int32Array, begin: number, end: number): number {
  let largest = 0;
  for (let i = begin; i < end; i++) {
    const magnitude = bits[i]! & 0x7fffffff;
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}
