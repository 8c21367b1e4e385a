// Asynchronous invocations: accepted at once, delivered at least once, tried twice more when the function fails, and for
// as long as an event may live when the function is throttled.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html

import type { Faults } from "./faults.ts";
import type { FunctionRegistry, FunctionSpec } from "./function-spec.ts";
import type { Invocation } from "./invocation.ts";
import type { SandboxPool } from "./sandbox-pool.ts";

const MAX_AGE_S = 6 * 3600;
/** An event is taken out of a queue by a poller, never in the moment in which it is accepted. */
const QUEUE_MS = 20;
/** "from 1 second after the first attempt to a maximum of 5 minutes" */
const FIRST_THROTTLED_PAUSE_MS = 1000;
const LAST_THROTTLED_PAUSE_MS = 300_000;

export interface EventQueueOptions {
  readonly registry: FunctionRegistry;
  readonly pool: SandboxPool;
  readonly faults: Faults;
  /** Pauses before a failed event is tried again; Lambda's: a minute, then two. */
  readonly retryDelaysMs: readonly number[];
}

export class EventQueue {
  readonly #options: EventQueueOptions;
  readonly #pauses = new Set<{ readonly timer: NodeJS.Timeout; readonly end: () => void }>();
  #pending = 0;
  #closed = false;

  constructor(options: EventQueueOptions) {
    this.#options = options;
  }

  /** Events that are not done with. */
  get pending(): number {
    return this.#pending;
  }

  push(spec: FunctionSpec, invocation: Invocation): void {
    for (const delayMs of this.#options.faults.deliveriesMs(invocation)) {
      this.#pending++;
      void this.#deliver(spec.name, invocation, delayMs).finally(() => this.#pending--);
    }
  }

  /** Drops what is left. */
  close(): void {
    this.#closed = true;
    for (const { timer, end } of this.#pauses) {
      clearTimeout(timer);
      end();
    }
  }

  async #deliver(name: string, invocation: Invocation, delayMs: number): Promise<void> {
    const { registry, pool, retryDelaysMs } = this.#options;
    const beganMs = performance.now();
    let throttledPauseMs = FIRST_THROTTLED_PAUSE_MS;
    let failures = 0;
    await this.#pause(QUEUE_MS + delayMs);
    while (!this.#closed) {
      const spec = registry.find(name);
      if (spec === undefined) return;
      if (performance.now() - beganMs > (spec.maximumEventAgeS ?? MAX_AGE_S) * 1000) return;
      if (pool.refusal(spec) !== undefined) {
        await this.#pause(throttledPauseMs);
        throttledPauseMs = Math.min(LAST_THROTTLED_PAUSE_MS, 2 * throttledPauseMs);
        continue;
      }
      const succeeded = await pool.invoke(spec, invocation).then(
        ({ errorType }) => errorType === undefined,
        (error: unknown) => {
          console.error(error);
          return false;
        },
      );
      const retries = Math.min(retryDelaysMs.length, spec.maximumRetryAttempts ?? retryDelaysMs.length);
      if (succeeded || failures === retries) return;
      await this.#pause(retryDelaysMs[failures++]!);
    }
  }

  /** None once it is closed: a timer would keep the service alive for a retry that does not come. */
  #pause(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#pauses.delete(pause);
        resolve();
      };
      const pause = { timer: setTimeout(end, ms), end };
      this.#pauses.add(pause);
    });
  }
}
