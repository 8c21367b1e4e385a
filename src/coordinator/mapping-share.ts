// A run of a stage's parts that one function at a time computes, as the coordinator sees it: which are left, and whether
// whoever was to compute them is silent. It reads the parts that are done, and a clock.

import type { RowSlice } from "../data/order.ts";
import { SltrainError } from "../errors.ts";

/** From an invocation to its first result, at most, where `leaseMs` is less. */
const START_MS = 5_000;

export interface ShareOptions {
  /** Without a new result for so long, and twice as long after each try, a function is dead. */
  readonly leaseMs: number;
  /** Functions that may die without a result between. */
  readonly maxRestarts: number;
  readonly nowMs?: () => number;
}

export interface ShareStart {
  /** Counts up with every function that is started for the share. */
  readonly attempt: number;
  /** From the first part that is left. */
  readonly parts: readonly [begin: number, end: number];
  /** `next`: the function before has ended in good order. */
  readonly reason: "start" | "silent" | "next";
}

export class MappingShare {
  readonly #parts: RowSlice;
  readonly #options: Required<ShareOptions>;
  #left: number[];
  #starts = 0;
  /** In a row, without a result since. */
  #silent = 0;
  #longestGapMs = 0;
  #signMs: number;
  #hasResult = false;
  #hasEnded = false;

  constructor(parts: RowSlice, options: ShareOptions) {
    this.#parts = parts;
    this.#options = { nowMs: () => performance.now(), ...options };
    this.#signMs = this.#options.nowMs();
    this.#left = Array.from({ length: parts.end - parts.begin }, (_, i) => parts.begin + i);
  }

  /** What has happened since the last look. `ended`: the last part, exclusive, of whoever's time was over. */
  look(done: ReadonlySet<number>, ended: readonly number[]): void {
    const left = this.#left.filter((part) => !done.has(part));
    const nowMs = this.#options.nowMs();
    if (left.length < this.#left.length) {
      if (this.#hasResult) this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#signMs);
      this.#hasResult = this.#starts > 0;
      this.#silent = 0;
      this.#signMs = nowMs;
    }
    this.#left = left;
    this.#hasEnded ||= ended.includes(this.#parts.end);
  }

  get isDone(): boolean {
    return this.#left.length === 0;
  }

  /** What is to be invoked now, if anything. @throws SltrainError "function-died" beyond `maxRestarts` */
  startIfDue(): ShareStart | undefined {
    const reason = this.#reason();
    if (this.isDone || reason === undefined) return undefined;
    if (reason === "silent" && ++this.#silent > this.#options.maxRestarts) {
      throw new SltrainError({
        code: "function-died",
        message: `part ${this.#left[0]}: expected its result, got none from ${this.#silent} functions in a row`,
      });
    }
    this.#signMs = this.#options.nowMs();
    this.#hasEnded = false;
    this.#hasResult = false;
    return { attempt: this.#starts++, parts: [this.#left[0]!, this.#parts.end], reason };
  }

  #reason(): ShareStart["reason"] | undefined {
    if (this.#starts === 0) return "start";
    if (this.#hasEnded) return "next";
    const { leaseMs, nowMs } = this.#options;
    // The time of a part is known once there are two.
    const usualMs = Math.max(leaseMs, 2 * this.#longestGapMs, this.#hasResult ? 0 : START_MS);
    return nowMs() - this.#signMs >= usualMs * 2 ** this.#silent ? "silent" : undefined;
  }
}
