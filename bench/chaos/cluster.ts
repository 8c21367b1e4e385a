// A local Lambda service for one run, and what can be done to the workers in it: real processes, struck by rank.

import { setTimeout as sleep } from "node:timers/promises";
import { localUri } from "../../src/functions/local.ts";
import { openFunctions } from "../../src/functions/open-functions.ts";
import { functionFolder, HANDLER } from "../../src/providers/function-bundle.ts";
import type { Sandbox } from "../../src/providers/local/sandbox.ts";
import { type LambdaService, startLambdaService } from "../../src/providers/local/service.ts";
import type { FunctionEvent, WorkerEvent } from "../../src/run/records.ts";
import { built } from "../functions/built.ts";
import { type Fault, type Schedule, WORKERS } from "./schedule.ts";

const FUNCTION = "chaos";
/** A rank that has just died has no process for a while. */
const TARGET_WITHIN_MS = 500;
const POLL_MS = 10;
/** Lambda's are minutes: a run of seconds would never see them. */
const RETRY_DELAYS_MS = [500, 1000];

export class Cluster {
  readonly functions: string;
  readonly #service: LambdaService;
  readonly #freezes: Promise<void>[] = [];

  private constructor(service: LambdaService) {
    this.#service = service;
    this.functions = localUri(service.endpoint, FUNCTION);
  }

  /** With functions that live for `timeoutS`. */
  static async start({ late }: Schedule, timeoutS: number, logFolder: string): Promise<Cluster> {
    const service = await startLambdaService({
      ...{ port: 0, logFolder, accountConcurrency: 10 * WORKERS, retryDelaysMs: RETRY_DELAYS_MS },
      runtime: [built("src/providers/local/runtime.ts")],
      functions: [
        {
          ...{ name: FUNCTION, memoryMiB: 1769, timeoutS },
          ...{ environment: {}, bundlePath: functionFolder, handler: HANDLER },
        },
      ],
    });
    if (late) {
      const match = { kind: "worker", rank: late.rank, generation: 0 };
      service.faults.disturb({ match, deliveriesMs: [late.forMs] });
    }
    return new Cluster(service);
  }

  /** Whether there was anything to strike. Not for the coordinator, which is none of the functions. */
  async strike(fault: Exclude<Fault, { readonly kind: "coordinator-killed" }>): Promise<boolean> {
    if (fault.kind === "throttled") {
      this.#service.faults.throttle(fault.forMs);
      return true;
    }
    const sandboxes = await this.#workersOf(fault.rank);
    const [first] = sandboxes;
    if (first === undefined) return false;
    if (fault.kind === "delivered-again") {
      await this.#invoke({ ...eventOf(first)!, generation: 0, reason: "start" });
    } else if (fault.kind === "frozen") {
      this.#freezes.push(...sandboxes.map((sandbox) => freeze(sandbox, fault.forMs)));
    } else {
      for (const sandbox of sandboxes) sandbox.end(fault.kind);
    }
    return true;
  }

  /** Ends all that still runs. */
  async close(): Promise<void> {
    await this.#service.close();
    await Promise.all(this.#freezes);
  }

  async #workersOf(rank: number): Promise<Sandbox[]> {
    for (let waitedMs = 0; waitedMs < TARGET_WITHIN_MS; waitedMs += POLL_MS) {
      const found = [...this.#service.pool.sandboxes].filter((sandbox) => eventOf(sandbox)?.rank === rank);
      if (found.length > 0) return found;
      await sleep(POLL_MS);
    }
    return [];
  }

  async #invoke(event: WorkerEvent): Promise<void> {
    const functions = await openFunctions(this.functions, process.env);
    await functions.invoke(event).finally(() => functions.close());
  }
}

function eventOf({ invocation }: Sandbox): WorkerEvent | undefined {
  if (invocation === undefined) return undefined;
  const event = JSON.parse(new TextDecoder().decode(invocation.payload)) as FunctionEvent;
  return event.kind === "worker" ? event : undefined;
}

async function freeze(sandbox: Sandbox, forMs: number): Promise<void> {
  sandbox.signal("SIGSTOP");
  await sleep(forMs);
  sandbox.signal("SIGCONT");
}
