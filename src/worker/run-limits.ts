// What a run may cost and how long it may last, watched by rank 0 inside the run, so that it holds without a coordinator.
// Rank 0 reckons that all workers have run since their crew was started, at its own size and its own rate of requests:
// a little more than they are billed for, but for those that are started anew.

import { runCost } from "../plan/run-cost.ts";
import type { Attempt } from "../run/attempts.ts";
import type { Usage } from "../run/records.ts";
import type { StopVote } from "./stop-vote.ts";

export interface RunLimitsOptions {
  readonly record: Attempt;
  /** Of this worker, now. */
  readonly usage: () => Usage;
  /** Milliseconds since 1970. Default: the clock. */
  readonly nowMs?: () => number;
}

export class RunLimits {
  readonly #options: Required<RunLimitsOptions>;
  /** From one exchange to the next, an epoch's end included. */
  #longestMs = 0;
  #lastMs: number | undefined;

  constructor(options: RunLimitsOptions) {
    this.#options = { nowMs: () => Date.now(), ...options };
  }

  /** By a time that lies `aheadMs` from now; US dollars, of all crews. */
  spentUsd(aheadMs = 0): number {
    const { record, usage, nowMs } = this.#options;
    const own = usage();
    const { at, spentUsd } = record.resized ?? { at: record.at, spentUsd: record.before.total };
    const billedMs = Math.max(own.billedMs, nowMs() + aheadMs - Date.parse(at));
    const requestsUsd = own.requestsUsd * (billedMs / Math.max(1, own.billedMs));
    return spentUsd + record.workers * runCost([{ ...own, billedMs, requestsUsd }], []).total;
  }

  /** To be called after every exchange. */
  exchanged(): void {
    const nowMs = this.#options.nowMs();
    if (this.#lastMs !== undefined) this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }

  /** Whether a limit would be passed by what follows a vote: the exchange that carries it, and the end of the run. */
  reached(): StopVote | undefined {
    const { budgetUsd = Infinity, deadlineAt } = this.#options.record;
    const aheadMs = 2 * this.#longestMs;
    if (this.spentUsd(aheadMs) >= budgetUsd) return "budget-reached";
    const deadlineMs = deadlineAt === undefined ? Infinity : Date.parse(deadlineAt);
    return this.#options.nowMs() + aheadMs >= deadlineMs ? "deadline-reached" : undefined;
  }
}
