// One invocation of this process: when it began, what is left of its time, and what it is billed for.

import type { Usage } from "../run/records.ts";
import { usd, type Metered } from "../storage/layers/meter.ts";
import type { Storage } from "../storage/storage.ts";
import { StartupClock } from "./startup-clock.ts";

/** What Lambda tells a handler beside its event: https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html */
export interface FunctionContext {
  readonly awsRequestId: string;
  /** Binary megabytes, as a decimal number. */
  readonly memoryLimitInMB: string;
  getRemainingTimeInMillis(): number;
}

let isWarm = false;

export class Invocation {
  readonly requestId: string;
  /** Start of the process to this call; 0 if the process has been called before. */
  readonly initMs: number;
  readonly startup = new StartupClock(this);
  /** From this call to its time-out. */
  readonly lifeMs: number;
  readonly #beganMs = performance.now();
  readonly #context: FunctionContext;

  /** To be made at once when the handler is called. */
  constructor(context: FunctionContext) {
    this.requestId = context.awsRequestId;
    this.initMs = isWarm ? 0 : this.#beganMs;
    this.#context = context;
    this.lifeMs = context.getRemainingTimeInMillis();
    isWarm = true;
    this.startup.end("load");
  }

  /** Since the start of the process, or of this call if the process is warm. */
  get elapsedMs(): number {
    return this.initMs + performance.now() - this.#beganMs;
  }

  get remainingMs(): number {
    return this.#context.getRemainingTimeInMillis();
  }

  /** The same by this process's clock. */
  get lifeLeftMs(): number {
    return this.lifeMs - (performance.now() - this.#beganMs);
  }

  /** Initialisation is billed as well: https://aws.amazon.com/lambda/pricing/ */
  get usage(): Omit<Usage, "requestsUsd"> {
    return {
      initMs: this.initMs,
      billedMs: Math.ceil(this.elapsedMs),
      memoryMiB: Number(this.#context.memoryLimitInMB),
      architecture: process.arch === "arm64" ? "arm64" : "x86_64",
    };
  }
}

/** With what its requests to `storage` cost so far. */
export function usageWith({ usage }: Invocation, { capabilities, reading }: Storage & Metered): Usage {
  const { prices } = capabilities;
  return { ...usage, requestsUsd: prices ? usd(reading, prices) : 0 };
}
