// The sha256 of a part of a file, read and hashed at once: for a thread that has nothing else to do meanwhile.

import { closeSync, openSync, readSync } from "node:fs";
import { sha256 } from "../../sha256.ts";

/** It stays in the second-level cache between the read and the hash. */
const buffer = Buffer.allocUnsafeSlow(256 * 2 ** 10);

/** Of bytes [begin, end), or of those that the file has of them; in hex. @throws as node:fs */
export function hashPart(path: string, begin: number, end: number): string {
  const hash = sha256();
  const file = openSync(path, "r");
  try {
    for (let at = begin; at < end;) {
      const bytesRead = readSync(file, buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
