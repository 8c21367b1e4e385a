// One execution environment: a process that runs one invocation of one function at a time, cold first, warm afterwards.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

import { type ChildProcess, spawn } from "node:child_process";
import { functionArn, type FunctionSpec } from "./function-spec.ts";
import { type EndReason, errorTypeOf, exitError, type Invocation, type Outcome } from "./invocation.ts";
import { type Confinement, type Limits, shareOf } from "./limits/limits.ts";
import { peakResidentBytes } from "./limits/measured-memory.ts";
import type { LogStream } from "./log-stream.ts";
import type { Delivery, RuntimeEndpoint, RuntimePeer } from "./runtime-api.ts";
import { sandboxEnvironment } from "./sandbox-environment.ts";

/** Lambda's own limit; what takes longer fails here, where Lambda tries once more within the function's time-out. */
const INIT_TIMEOUT_MS = 10_000;

export interface SandboxOptions {
  readonly spec: FunctionSpec;
  /** Node's arguments for the program that asks the Runtime API for events and runs handlers. */
  readonly runtime: readonly string[];
  readonly region: string | undefined;
  readonly limits: Limits;
  readonly log: LogStream;
  /** Its process waits for the next event. */
  readonly onIdle: (sandbox: Sandbox) => void;
  /** Its process has ended. */
  readonly onEnded: (sandbox: Sandbox) => void;
}

/** An invocation in this sandbox, until the process is free again: whoever calls next finds it warm. */
interface Running {
  readonly invocation: Invocation;
  readonly resolve: (outcome: Outcome) => void;
  /** Where its part of the log begins. */
  readonly logBytes: number;
  /** When the runtime got it; absent before. */
  beganMs?: number;
  timer?: NodeJS.Timeout;
  outcome?: Outcome;
}

export class Sandbox implements RuntimePeer {
  readonly spec: FunctionSpec;
  readonly #options: SandboxOptions;
  readonly #endpoint: RuntimeEndpoint;
  readonly #startedMs = performance.now();
  readonly #child: ChildProcess;
  readonly #confinement: Confinement;
  readonly #initTimer: NodeJS.Timeout;
  readonly #ended: Promise<void>;
  #deliver: ((delivery: Delivery) => void) | undefined;
  #running: Running | undefined;
  /** Undefined until the runtime first asks for an event. */
  #initMs: number | undefined;
  #initReported = false;
  #initError: Uint8Array | undefined;
  #endReason: EndReason | undefined;
  #peakBytes = 0;

  constructor(endpoint: RuntimeEndpoint, options: SandboxOptions) {
    const { spec, runtime, region, limits, log } = options;
    this.spec = spec;
    this.#options = options;
    this.#endpoint = endpoint;
    endpoint.serve(this);
    this.#child = spawn(process.execPath, runtime, {
      cwd: spec.workingDirectory ?? spec.bundlePath,
      env: { ...process.env, ...spec.environment, ...sandboxEnvironment(spec, { endpoint, region, log }) },
      stdio: ["ignore", log.fd, log.fd],
      // A process group of its own: Ctrl-C on the terminal is for the service, and its end takes all of the group.
      detached: true,
    });
    this.#initTimer = setTimeout(() => this.end("time-out"), INIT_TIMEOUT_MS);
    this.#ended = new Promise((resolve) => {
      const exited = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#exited(code, signal);
        resolve();
      };
      this.#child.once("exit", exited);
      this.#child.once("error", (error) => {
        console.error(`function ${spec.name}: expected a process, got ${error.message}`);
        if (this.#child.pid === undefined) exited(1, null);
      });
    });
    const { pid } = this.#child;
    this.#confinement =
      pid === undefined
        ? { ranOutOfMemory: () => false, release: () => undefined }
        : limits.confine(pid, shareOf(spec.memoryMiB), () => this.end("out-of-memory"));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get invocation(): Invocation | undefined {
    return this.#running?.invocation;
  }

  /** Only while it runs none. Never rejects: whatever becomes of the process is an outcome. */
  invoke(invocation: Invocation): Promise<Outcome> {
    const { log } = this.#options;
    return new Promise((resolve) => {
      this.#running = { invocation, resolve, logBytes: log.sizeBytes };
      log.start(invocation.requestId);
      this.#deliverEvent();
    });
  }

  next(deliver: (delivery: Delivery) => void): void {
    clearTimeout(this.#initTimer);
    this.#initMs ??= performance.now() - this.#startedMs;
    this.#deliver = deliver;
    this.#settle();
    if (this.#running) this.#deliverEvent();
    else this.#options.onIdle(this);
  }

  responded(requestId: string, payload: Uint8Array): void {
    if (this.#owes(requestId)) this.#finish(payload);
  }

  failed(requestId: string, error: Uint8Array): void {
    if (this.#owes(requestId)) this.#finish(error, errorTypeOf(error));
  }

  initFailed(error: Uint8Array): void {
    this.#initError = error;
  }

  signal(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // It has ended, and its exit is about to be told.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** Ends the process at once; what it runs has failed with this reason. */
  end(reason: EndReason): void {
    this.#endReason ??= reason;
    if (this.pid !== undefined) this.#peakBytes = peakResidentBytes(this.pid);
    this.signal("SIGKILL");
  }

  /** Ends it and waits until nothing of it is left. */
  async close(): Promise<void> {
    this.end("killed");
    await this.#ended;
  }

  #deliverEvent(): void {
    const [deliver, running] = [this.#deliver, this.#running];
    if (deliver === undefined || running === undefined) return;
    this.#deliver = undefined;
    const timeoutMs = this.spec.timeoutS * 1000;
    running.beganMs = performance.now();
    running.timer = setTimeout(() => this.end("time-out"), timeoutMs);
    const { requestId, payload } = running.invocation;
    const arn = functionArn(this.#options.region, this.spec.name);
    deliver({ requestId, payload, deadlineMs: Date.now() + timeoutMs, functionArn: arn });
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    clearTimeout(this.#initTimer);
    if (this.#confinement.ranOutOfMemory()) this.#endReason ??= "out-of-memory";
    if (this.#running && !this.#running.outcome) this.#finishExited(this.#running.invocation, code, signal);
    this.#settle();
    this.#confinement.release();
    this.#endpoint.close();
    this.#options.onEnded(this);
    this.#options.log.close();
  }

  #finishExited(invocation: Invocation, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#initError) {
      this.#finish(this.#initError, errorTypeOf(this.#initError));
      return;
    }
    const { timeoutS } = this.spec;
    const reason = this.#endReason;
    if (reason === "time-out") this.#options.log.timedOut(invocation.requestId, timeoutS);
    const error = exitError(invocation, { code, signal, reason }, timeoutS);
    this.#finish(new TextEncoder().encode(JSON.stringify(error)), error.errorType);
  }

  /** The answer, once; the caller hears it from `#settle`. */
  #finish(payload: Uint8Array, errorType?: string): void {
    const running = this.#running!;
    const { invocation, logBytes, beganMs } = running;
    const { log } = this.#options;
    const now = performance.now();
    if (this.pid !== undefined) this.#peakBytes = Math.max(this.#peakBytes, peakResidentBytes(this.pid));
    const { memoryMiB } = this.spec;
    log.end({
      ...{ requestId: invocation.requestId, memoryMiB, errorType },
      durationMs: now - (beganMs ?? now),
      maxMemoryMiB: errorType === "Runtime.OutOfMemory" ? memoryMiB : this.#peakBytes / 2 ** 20,
      // A process that never asked for its event was starting all the time.
      initMs: this.#initReported ? undefined : (this.#initMs ?? now - this.#startedMs),
    });
    this.#initReported = true;
    running.outcome = { payload, errorType, logTail: log.tail(logBytes) };
  }

  #settle(): void {
    if (this.#running?.outcome === undefined) return;
    const { resolve, outcome, timer } = this.#running;
    clearTimeout(timer);
    this.#running = undefined;
    resolve(outcome);
  }

  #owes(requestId: string): boolean {
    return this.invocation?.requestId === requestId && this.#running?.outcome === undefined;
  }
}
