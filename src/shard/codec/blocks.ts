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

/** The bits of f32 values: a view. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** The first `count` words of `bytes`: a view, or where the alignment forbids one, a copy. */
export function wordsOf(bytes: Uint8Array, count: number): Uint32Array {
  const aligned = alignedTo(Uint32Array.BYTES_PER_ELEMENT, bytes);
  return new Uint32Array(aligned.buffer, aligned.byteOffset, count);
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
