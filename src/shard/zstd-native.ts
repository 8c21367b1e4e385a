// zstd of node:zlib (Node 22.15 and later). Level 1: on gradients higher levels find nothing more, and negative levels
// switch off the entropy coder, which is most of what helps there. Matches are runs of equal bytes, and a small table
// of long ones finds those in a third of the time.

import { promisify } from "node:util";
import zlib from "node:zlib";
import type { BlockCompressor } from "./zstd.ts";

const params = {
  [zlib.constants.ZSTD_c_compressionLevel]: 1,
  [zlib.constants.ZSTD_c_hashLog]: 8,
  [zlib.constants.ZSTD_c_minMatch]: 7,
};

/** ZSTD_COMPRESSBOUND: with so much room for the output, zstd writes it in one pass and without a copy. */
function compressBound(sizeBytes: number): number {
  return sizeBytes + (sizeBytes >> 8) + Math.max(0, 131_072 - sizeBytes) / 2048;
}

const MIN_CHUNK_BYTES = 64; // zlib's least
const compressOptions = (block: Uint8Array) => ({
  params,
  // Puts the content's size into the frame, which zstd-codec needs; the off-thread call does not know it by itself.
  pledgedSrcSize: block.byteLength,
  chunkSize: Math.max(MIN_CHUNK_BYTES, Math.ceil(compressBound(block.byteLength))),
});
const decompressOptions = (maxBytes: number) => ({
  chunkSize: Math.max(MIN_CHUNK_BYTES, maxBytes),
  maxOutputLength: Math.max(1, maxBytes),
});

/** undefined where the runtime has none. */
export const nativeZstd: BlockCompressor | undefined =
  // Older runtimes lack what the types promise.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition
  zlib.zstdCompressSync === undefined
    ? undefined
    : {
        name: "node:zlib",
        compress: (block) => zlib.zstdCompressSync(block, compressOptions(block)),
        decompress: (frame, maxBytes) => zlib.zstdDecompressSync(frame, decompressOptions(maxBytes)),
        offThread: {
          compress: (block) => promisify(zlib.zstdCompress)(block, compressOptions(block)),
          decompress: (frame, maxBytes) => promisify(zlib.zstdDecompress)(frame, decompressOptions(maxBytes)),
        },
      };
