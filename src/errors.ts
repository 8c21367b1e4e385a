// The one error that users see. An assert is a bug of ours; a SltrainError is the user's or the world's.

export interface SltrainErrorOptions {
  /** Stable, machine-readable, kebab-case: `data-missing`, `frame-damaged`. */
  readonly code: string;
  /** What was expected, what came, and where. */
  readonly message: string;
  readonly cause?: unknown;
  /** What the user can do now, one sentence each. */
  readonly suggestions?: readonly string[];
  /** True if the same call may succeed later. */
  readonly retryable?: boolean;
}

export class SltrainError extends Error {
  readonly code: string;
  readonly suggestions: readonly string[];
  readonly retryable: boolean;

  constructor(options: SltrainErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SltrainError";
    this.code = options.code;
    this.suggestions = options.suggestions ?? [];
    this.retryable = options.retryable ?? false;
  }
}

/** What is written down of an error, for another process or a program to read. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly suggestions: readonly string[];
}

/** `bugCode` stands for what is no SltrainError. */
export function errorRecord(error: unknown, bugCode: string): ErrorRecord {
  if (error instanceof SltrainError) {
    const { code, message, suggestions } = error;
    return { code, message, suggestions };
  }
  return { code: bugCode, message: error instanceof Error ? error.message : String(error), suggestions: [] };
}

/** States an invariant of ours; a failure is a bug in sltrain, not in its input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`sltrain bug: ${message}`);
}
