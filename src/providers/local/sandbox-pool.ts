// Where invocations run: a warm sandbox of the function if one is free, else a new one, within the limits of account and
// function. https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { FunctionRegistry, FunctionSpec } from "./function-spec.ts";
import type { Invocation, Outcome } from "./invocation.ts";
import type { Limits } from "./limits/limits.ts";
import { LogStream } from "./log-stream.ts";
import { RuntimeApi } from "./runtime-api.ts";
import { Sandbox } from "./sandbox.ts";

export type ThrottleReason =
  "ConcurrentInvocationLimitExceeded" | "ReservedFunctionConcurrentInvocationLimitExceeded";

export interface SandboxPoolOptions {
  readonly registry: FunctionRegistry;
  /** Invocations at one time, all functions together. */
  readonly accountConcurrency: number;
  /** After which an unused sandbox is ended. */
  readonly sandboxIdleMs: number;
  readonly runtime: readonly string[];
  readonly region: string | undefined;
  readonly limits: Limits;
  /** Gets a folder for each function, with a file for each of its sandboxes. */
  readonly logFolder: string;
}

interface Idle {
  readonly sandbox: Sandbox;
  readonly timer: NodeJS.Timeout;
}

export class SandboxPool {
  readonly #options: SandboxPoolOptions;
  readonly #api = new RuntimeApi();
  readonly #sandboxes = new Set<Sandbox>();
  readonly #idle = new Map<FunctionSpec, Idle[]>();
  /** Invocations under way, by function. */
  readonly #busy = new Map<string, number>();
  #closed = false;

  constructor(options: SandboxPoolOptions) {
    this.#options = options;
  }

  get sandboxes(): Iterable<Sandbox> {
    return this.#sandboxes;
  }

  /** Invocations under way. */
  get busy(): number {
    return [...this.#busy.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Why one more invocation of the function is refused now; undefined if it is not. */
  refusal({ name, reservedConcurrency }: FunctionSpec): ThrottleReason | undefined {
    if (reservedConcurrency !== undefined) {
      const isFull = (this.#busy.get(name) ?? 0) >= reservedConcurrency;
      return isFull ? "ReservedFunctionConcurrentInvocationLimitExceeded" : undefined;
    }
    const { registry, accountConcurrency } = this.#options;
    const reserving = registry.all().filter((spec) => spec.reservedConcurrency !== undefined);
    const reserved = reserving.reduce((sum, spec) => sum + spec.reservedConcurrency!, 0);
    const reservedNames = new Set(reserving.map((spec) => spec.name));
    const busy = [...this.#busy].reduce(
      (sum, [other, count]) => sum + (reservedNames.has(other) ? 0 : count),
      0,
    );
    return busy >= accountConcurrency - reserved ? "ConcurrentInvocationLimitExceeded" : undefined;
  }

  /** Whatever `refusal` says: ask it first, in the same turn. Throws where no sandbox can be made. */
  async invoke(spec: FunctionSpec, invocation: Invocation): Promise<Outcome> {
    this.#busy.set(spec.name, (this.#busy.get(spec.name) ?? 0) + 1);
    try {
      const sandbox = this.#takeWarm(spec) ?? (await this.#start(spec));
      return await sandbox.invoke(invocation);
    } finally {
      this.#busy.set(spec.name, this.#busy.get(spec.name)! - 1);
    }
  }

  /** Ends all sandboxes, and what they run. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox.close()));
  }

  #takeWarm(spec: FunctionSpec): Sandbox | undefined {
    // The last one used: others may then end unused.
    const warm = this.#idle.get(spec)?.pop();
    clearTimeout(warm?.timer);
    return warm?.sandbox;
  }

  async #start(spec: FunctionSpec): Promise<Sandbox> {
    const { runtime, region, limits, logFolder } = this.#options;
    const endpoint = await this.#api.open();
    try {
      if (this.#closed) throw new Error("the service ends");
      const sandbox = new Sandbox(endpoint, {
        ...{ spec, runtime, region, limits },
        log: new LogStream(join(logFolder, spec.name), randomUUID()),
        onIdle: (idle) => this.#keep(idle),
        onEnded: (ended) => this.#forget(ended),
      });
      this.#sandboxes.add(sandbox);
      return sandbox;
    } catch (error) {
      endpoint.close();
      throw error;
    }
  }

  #keep(sandbox: Sandbox): void {
    const { spec } = sandbox;
    if (this.#options.registry.find(spec.name) !== spec) {
      sandbox.end("killed");
      return;
    }
    const timer = setTimeout(() => sandbox.end("killed"), this.#options.sandboxIdleMs);
    const idle = this.#idle.get(spec) ?? [];
    this.#idle.set(spec, [...idle, { sandbox, timer }]);
  }

  #forget(sandbox: Sandbox): void {
    this.#sandboxes.delete(sandbox);
    const idle = this.#idle.get(sandbox.spec) ?? [];
    clearTimeout(idle.find((one) => one.sandbox === sandbox)?.timer);
    const left = idle.filter((one) => one.sandbox !== sandbox);
    if (left.length > 0) this.#idle.set(sandbox.spec, left);
    else this.#idle.delete(sandbox.spec);
  }
}
