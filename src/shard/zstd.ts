// The zstd stage (RFC 8878). A payload is a sequence of standard zstd frames, one per block of at most 1 MiB of input,
// in order: node:zlib writes and reads them where it can, npm zstd-codec elsewhere (its memory holds about 4 MB), and
// each reads what the other wrote.

import { SltrainError } from "../errors.ts";

/** What one implementation of zstd does to one block. */
export interface BlockCompressor {
  readonly name: string;
  compress(block: Uint8Array): Uint8Array;
  /** Throws if `frame` is damaged or holds more than `maxBytes`. */
  decompress(frame: Uint8Array, maxBytes: number): Uint8Array;
  /** The same, off the thread. */
  readonly offThread?: {
    compress(block: Uint8Array): Promise<Uint8Array>;
    decompress(frame: Uint8Array, maxBytes: number): Promise<Uint8Array>;
  };
}

export const BLOCK_BYTES = 1024 * 1024;

export interface Zstd {
  readonly name: string;
  /**
   * The frames of `input`, which must not change before they are there. One block is compressed at once (about 1 ms per
   * MiB), several on other threads if the implementation has them.
   */
  compress(input: Uint8Array): Uint8Array[] | Promise<Uint8Array[]>;
  /** Throws SltrainError "zstd-damaged" if `payload` is no sequence of frames or holds more than `maxBytes`. */
  decompress(payload: Uint8Array, maxBytes: number): Uint8Array | Promise<Uint8Array>;
}

/** The runtime's own zstd, or npm zstd-codec where Node is too old to have one. */
export async function loadZstd(): Promise<Zstd> {
  const { nativeZstd } = await import("./zstd-native.ts");
  if (nativeZstd !== undefined) return inBlocks(nativeZstd);
  const { loadPortableZstd } = await import("./zstd-portable.ts");
  return inBlocks(await loadPortableZstd());
}

export function inBlocks(compressor: BlockCompressor): Zstd {
  const { offThread } = compressor;
  return {
    name: compressor.name,
    compress(input) {
      const blocks = Array.from({ length: Math.ceil(input.byteLength / BLOCK_BYTES) }, (_, i) =>
        input.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES),
      );
      if (blocks.length <= 1 || offThread === undefined)
        return blocks.map((block) => compressor.compress(block));
      return Promise.all(blocks.map((block) => offThread.compress(block)));
    },
    decompress(payload, maxBytes) {
      const frames = splitFrames(payload);
      if (frames.length > Math.ceil(maxBytes / BLOCK_BYTES)) throw damaged(`more than ${maxBytes} bytes`);
      const limit = Math.min(BLOCK_BYTES, maxBytes);
      if (frames.length <= 1 || offThread === undefined) {
        return joined(
          frames.map((frame) => readable(() => compressor.decompress(frame, limit))),
          maxBytes,
        );
      }
      return Promise.all(frames.map((frame) => offThread.decompress(frame, limit))).then(
        (blocks) => joined(blocks, maxBytes),
        (error: unknown) => {
          throw damaged("a frame that cannot be read", error);
        },
      );
    },
  };
}

function joined(blocks: readonly Uint8Array[], maxBytes: number): Uint8Array {
  const sizeBytes = blocks.reduce((total, block) => total + block.byteLength, 0);
  if (sizeBytes > maxBytes) throw damaged(`${sizeBytes} bytes, which is more than ${maxBytes}`);
  if (blocks.length === 1) return blocks[0]!;
  const bytes = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const block of blocks) {
    bytes.set(block, offset);
    offset += block.byteLength;
  }
  return bytes;
}

function readable(decompress: () => Uint8Array): Uint8Array {
  try {
    return decompress();
  } catch (error) {
    throw damaged("a frame that cannot be read", error);
  }
}

function damaged(got: string, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "zstd-damaged",
    message: `zstd: expected a sequence of frames, but got ${got}`,
    cause,
  });
}

const MAGIC = 0xfd2fb528;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const RLE_BLOCK = 1;

/** Cuts a sequence of zstd frames at their ends, which their headers and block headers tell (RFC 8878, 3.1.1). */
export function splitFrames(payload: Uint8Array): Uint8Array[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const frames: Uint8Array[] = [];
  let begin = 0;
  while (begin < payload.byteLength) {
    const end = frameEnd(view, begin);
    if (end > payload.byteLength) throw damaged("a frame that is cut");
    frames.push(payload.subarray(begin, end));
    begin = end;
  }
  return frames;
}

/** Where the frame at `begin` ends; beyond the view if it is cut. */
function frameEnd(view: DataView, begin: number): number {
  if (begin + 5 > view.byteLength || view.getUint32(begin, true) !== MAGIC) throw damaged("no frame");
  const descriptor = view.getUint8(begin + 4);
  const sizeCode = descriptor >> 6;
  const singleSegment = (descriptor >> 5) & 1;
  const checksumBytes = (descriptor & 4) === 0 ? 0 : 4;
  const contentSizeBytes = sizeCode === 0 ? singleSegment : 1 << sizeCode;
  let at = begin + 5 + (1 - singleSegment) + DICTIONARY_ID_BYTES[descriptor & 3]! + contentSizeBytes;
  for (;;) {
    if (at + 3 > view.byteLength) return Infinity;
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const size = header >> 3;
    at += 3 + (((header >> 1) & 3) === RLE_BLOCK ? 1 : size);
    if ((header & 1) === 1) return at + checksumBytes;
  }
}
