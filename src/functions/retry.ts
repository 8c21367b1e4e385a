// Repeats invocations that failed and may succeed later, as storage/layers/retry.ts repeats requests to a store: with
// full jitter, for functions that were throttled together must not come back together.

import { SltrainError } from "../errors.ts";
import { type RetryOptions, Tries } from "../storage/layers/retry.ts";
import type { Functions } from "./functions.ts";

/** An endpoint that has never answered is more likely wrong than down. */
const FIRST_ANSWER_MS = 10_000;

/** `inner`, with every invocation repeated while it throws a SltrainError that is `retryable`, for a minute at most. */
export function withRetry(inner: Functions, options: RetryOptions = {}): Functions {
  const { firstAnswerMs = FIRST_ANSWER_MS } = options;
  let hasAnswered = false;
  return {
    async invoke(event) {
      const tries = new Tries(options);
      for (;;) {
        try {
          await inner.invoke(event);
          hasAnswered = true;
          return;
        } catch (error) {
          hasAnswered ||= error instanceof SltrainError && error.code !== "functions-unreachable";
          await tries.failed(error, hasAnswered ? Infinity : firstAnswerMs);
        }
      }
    },
    close: () => inner.close(),
  };
}
