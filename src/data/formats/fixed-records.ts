// Records of equal size out of a stream of chunks.

/** About what a block of rows is to have. */
const BLOCK_BYTES = 2 ** 20;

/**
 * Whole records of `content`, from byte `skipBytes` on, many at a time; each array is the receiver's. What is left at the
 * end, or all of an unfinished record, comes last.
 */
export async function* fixedRecords(
  content: AsyncIterable<Uint8Array>,
  { skipBytes, recordBytes }: { readonly skipBytes: number; readonly recordBytes: number },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const blockBytes = recordBytes * Math.max(1, Math.floor(BLOCK_BYTES / recordBytes));
  let block = new Uint8Array(blockBytes);
  let filled = 0;
  let skip = skipBytes;
  for await (const chunk of content) {
    let at = Math.min(skip, chunk.length);
    skip -= at;
    while (at < chunk.length) {
      const taken = Math.min(chunk.length - at, blockBytes - filled);
      block.set(chunk.subarray(at, at + taken), filled);
      at += taken;
      filled += taken;
      if (filled === blockBytes) {
        yield block;
        block = new Uint8Array(blockBytes);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield block.slice(0, filled);
}
