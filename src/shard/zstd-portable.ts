// zstd of npm zstd-codec (Emscripten), for runtimes without their own. 1.7 MB: a bundle for a newer Node leaves this
// file's import out.

import type { Simple } from "zstd-codec";
import type { BlockCompressor } from "./zstd.ts";

const LEVEL = 1;

export async function loadPortableZstd(): Promise<BlockCompressor> {
  const { ZstdCodec } = (await import("zstd-codec")).default;
  const simple = await new Promise<Simple>((resolve) => ZstdCodec.run(({ Simple }) => resolve(new Simple())));
  return {
    name: "zstd-codec",
    compress(block) {
      const frame = simple.compress(block, LEVEL);
      if (frame === null) throw new Error(`zstd-codec: compress failed on ${block.byteLength} bytes`);
      return frame;
    },
    decompress(frame, maxBytes) {
      // It answers null for an empty content as well as for damage.
      const block = simple.decompress(frame);
      if (block === null) throw new Error(`zstd-codec: decompress failed on ${frame.byteLength} bytes`);
      if (block.byteLength > maxBytes)
        throw new Error(`zstd-codec: ${block.byteLength} bytes, more than ${maxBytes}`);
      return block;
    },
  };
}
