// What readers of weights share: bytes from anywhere, and tensors one at a time.

import { open } from "node:fs/promises";
import { SltrainError } from "../../errors.ts";

export interface WeightTensor {
  /** As the file has it. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Elements [begin, end) in row-major order, in f32 whatever the file keeps. */
  read(begin: number, end: number): Promise<Float32Array>;
}

export interface WeightFile {
  /** For messages. */
  readonly where: string;
  readonly tensors: readonly WeightTensor[];
  close(): Promise<void>;
}

/** Bytes that can be read anywhere. */
export interface ByteSource {
  readonly where: string;
  readonly sizeBytes: number;
  /** Bytes [begin, end), which the source has. */
  read(begin: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export async function openBytes(path: string): Promise<ByteSource> {
  try {
    const file = await open(path);
    const { size } = await file.stat();
    return {
      where: path,
      sizeBytes: size,
      read: async (begin, end) => {
        // On its own memory, so that arrays of any type can view it.
        const bytes = new Uint8Array(end - begin);
        let done = 0;
        while (done < bytes.length) {
          const { bytesRead } = await file.read(bytes, done, bytes.length - done, begin + done);
          if (bytesRead === 0) throw damaged(path, `expected ${end} bytes, the file ends at ${begin + done}`);
          done += bytesRead;
        }
        return bytes;
      },
      close: () => file.close(),
    };
  } catch (cause) {
    throw new SltrainError({
      code: "weights-missing",
      message: `--weights: expected a file at ${path}: ${(cause as Error).message}`,
      cause,
    });
  }
}

export function damaged(where: string, what: string, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "weights-damaged",
    message: `${where}: ${what}`,
    cause,
    suggestions: ["Copy or download the file again."],
  });
}
