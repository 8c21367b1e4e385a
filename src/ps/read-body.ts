// A request's body, read to where its bytes shall lie: Node hands it over in parts of at most 64 KiB.

import type { IncomingMessage } from "node:http";
import { SltrainError } from "../errors.ts";

/** Fills `into`, which is as long as the request says that its body is. Rejects if the connection ends before. */
export function readBody(request: IncomingMessage, into: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    let offset = 0;
    request.on("data", (part: Buffer) => {
      into.set(part, offset);
      offset += part.byteLength;
    });
    request.once("end", () => resolve(into));
    request.once("error", reject);
    // After "end" it changes nothing.
    request.once("close", () => reject(cutOff(offset, into.byteLength)));
  });
}

function cutOff(got: number, expected: number): SltrainError {
  return new SltrainError({
    code: "request-cut",
    message: `expected a body of ${expected} bytes, but the connection ended after ${got}`,
    retryable: true,
  });
}
