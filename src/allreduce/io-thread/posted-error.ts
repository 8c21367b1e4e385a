// Errors as messages: structured clone would make plain errors of ours, without code and suggestions.

import { SltrainError, type SltrainErrorOptions } from "../../errors.ts";

export interface PostedError {
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a SltrainError. */
  readonly coded: Required<Pick<SltrainErrorOptions, "code" | "suggestions" | "retryable">> | undefined;
  readonly cause: PostedError | undefined;
}

export function postedError(thrown: unknown): PostedError {
  if (!(thrown instanceof Error))
    return { message: String(thrown), stack: undefined, coded: undefined, cause: undefined };
  const { message, stack, cause } = thrown;
  return {
    ...{ message, stack },
    coded: thrown instanceof SltrainError ? codedPart(thrown) : undefined,
    cause: cause === undefined ? undefined : postedError(cause),
  };
}

function codedPart({ code, suggestions, retryable }: SltrainError): PostedError["coded"] {
  return { code, suggestions, retryable };
}

/** With the stack of where it was thrown. */
export function receivedError({ message, stack, coded, cause: posted }: PostedError): Error {
  const cause = posted === undefined ? {} : { cause: receivedError(posted) };
  const error =
    coded === undefined ? new Error(message, cause) : new SltrainError({ message, ...coded, ...cause });
  if (stack !== undefined) error.stack = stack;
  return error;
}
