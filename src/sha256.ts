// SHA-256 as Node has it. An `import` of node:crypto reads all its exports and so loads WebCrypto, 8 ms of a function's
// start; this loads what hashing needs, at the first hash.

import type { Hash } from "node:crypto";

export function sha256(): Hash {
  return process.getBuiltinModule("node:crypto").createHash("sha256");
}
