// What starts functions: all that a worker, or whoever starts workers, can do to another one beside storage.

import { SltrainError } from "../errors.ts";

export interface Functions {
  /**
   * Starts a function with `event`, asynchronously: resolves once that is accepted. It may be started twice, or late.
   * What is throttled or fails for a while is repeated with full jitter for a bounded time. Throws SltrainError
   * "functions-throttled", "functions-unreachable", "function-missing" or "event-too-large".
   */
  invoke(event: object): Promise<void>;
  close(): Promise<void>;
}

/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: the payload of an asynchronous invocation. */
export const MAX_EVENT_BYTES = 2 ** 20;

/** As it travels. Throws SltrainError "event-too-large". */
export function encodeEvent(event: object): string {
  const payload = JSON.stringify(event);
  const sizeBytes = Buffer.byteLength(payload);
  if (sizeBytes <= MAX_EVENT_BYTES) return payload;
  throw new SltrainError({
    code: "event-too-large",
    message: `function event: expected at most ${MAX_EVENT_BYTES} bytes, got ${sizeBytes}`,
  });
}
