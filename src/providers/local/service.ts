// Lambda on this machine: its Invoke API on loopback, over processes that live and die by its rules. It knows nothing of
// training; any function for Lambda's Node runtime runs in it.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { SltrainError } from "../../errors.ts";
import { answerByRoutes, type Route } from "../../http-routes.ts";
import { createServer } from "../../node-http.ts";
import { controlRoutes } from "./control-api.ts";
import { EventQueue } from "./event-queue.ts";
import { Faults } from "./faults.ts";
import { FunctionRegistry, type FunctionSpec } from "./function-spec.ts";
import { invokeRoutes } from "./invoke-api.ts";
import { LambdaError } from "./lambda-error.ts";
import { type Limits, openLimits } from "./limits/limits.ts";
import { SandboxPool } from "./sandbox-pool.ts";

const HOST = "127.0.0.1";
/** The runtime lies beside this file, built or not. */
const RUNTIME = fileURLToPath(
  import.meta.resolve(import.meta.url.endsWith(".ts") ? "./runtime.ts" : "./runtime.js"),
);
/** The path of aws-lambda-ric's index.mjs, for whoever wants AWS's own runtime client. */
const RIC_VARIABLE = "SLTRAIN_LAMBDA_RIC";
/** Lambda keeps what is not used for some minutes; here it is memory of this machine. */
const SANDBOX_IDLE_MS = 30_000;
/** In the time without work after which the service is idle. */
const IDLE_LOOKS = 10;
const RETRY_DELAYS_MS = [60_000, 120_000];

export interface ServiceOptions {
  /** 0: any that is free. */
  readonly port: number;
  /** Invocations at one time; 1,000 in an account that asked for no more, 10 in a new one. */
  readonly accountConcurrency: number;
  /** AWS_REGION of functions. Default: that of the service's own environment, or what their profile says. */
  readonly region?: string;
  /** Where each function has a folder of logs. */
  readonly logFolder: string;
  readonly functions?: readonly FunctionSpec[];
  /** Resolves `ended` after so long without an invocation. Default: never. */
  readonly idleMs?: number;
  readonly retryDelaysMs?: readonly number[];
  readonly sandboxIdleMs?: number;
  /** For control-api.ts; without one those requests do not exist. */
  readonly controlToken?: string | undefined;
  /** Node's arguments for a sandbox. Default: AWS's runtime client where SLTRAIN_LAMBDA_RIC has it, else that of this folder. */
  readonly runtime?: readonly string[];
  readonly limits?: Limits;
}

export interface LambdaService {
  readonly endpoint: string;
  readonly enforces: Pick<Limits, "memory" | "cpu">;
  readonly registry: FunctionRegistry;
  readonly pool: SandboxPool;
  readonly faults: Faults;
  /** Answered after those of Lambda's API. */
  readonly routes: Route[];
  /** When it has had nothing to do for `idleMs`. */
  readonly idle: Promise<void>;
  /** Ends all sandboxes at once, and what they run. */
  close(): Promise<void>;
}

/** Throws SltrainError "lambda-listen" if the port cannot be had. */
export async function startLambdaService(options: ServiceOptions): Promise<LambdaService> {
  const { accountConcurrency, controlToken, limits = openLimits() } = options;
  // Absolute: Node's recursive mkdir never returns where the working directory has been deleted.
  const logFolder = resolve(options.logFolder);
  const region = options.region ?? process.env["AWS_REGION"];
  const registry = new FunctionRegistry();
  for (const spec of options.functions ?? []) registry.register(spec);
  const faults = new Faults();
  const pool = new SandboxPool({
    ...{ registry, accountConcurrency, region, limits, logFolder },
    sandboxIdleMs: options.sandboxIdleMs ?? SANDBOX_IDLE_MS,
    runtime: options.runtime ?? [process.env[RIC_VARIABLE] ?? RUNTIME],
  });
  const queue = new EventQueue({
    ...{ registry, pool, faults },
    retryDelaysMs: options.retryDelaysMs ?? RETRY_DELAYS_MS,
  });
  const routes = invokeRoutes({ registry, pool, queue, faults, accountConcurrency, region });
  if (controlToken !== undefined) routes.push(...controlRoutes({ token: controlToken, pool, faults }));

  // A synchronous invocation may take as long as a function.
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    void answer(routes, request, response);
  });
  await new Promise<void>((listening, reject) => {
    server.once("error", (cause) => reject(listenError(options.port, cause)));
    server.listen(options.port, HOST, listening);
  });
  const idle = idleWatch(options.idleMs, () => pool.busy > 0 || queue.pending > 0);
  return {
    endpoint: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    enforces: { memory: limits.memory, cpu: limits.cpu },
    ...{ registry, pool, faults, routes },
    idle: idle.reached,
    close: async () => {
      idle.end();
      server.close();
      queue.close();
      await pool.close();
      server.closeAllConnections();
    },
  };
}

async function answer(routes: Route[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    // A page in a browser may send requests to loopback, but not hide where it comes from.
    if (request.headers.origin !== undefined) {
      throw new LambdaError(403, "AccessDeniedException", { Message: "Not for browsers" });
    }
    if (await answerByRoutes(routes, request, response)) return;
    throw new LambdaError(404, "UnknownOperationException", {
      Message: `${request.method!} ${request.url!}`,
    });
  } catch (error) {
    request.resume();
    if (!(error instanceof LambdaError)) console.error(error);
    const refusal =
      error instanceof LambdaError
        ? error
        : new LambdaError(500, "ServiceException", { Message: error instanceof Error ? error.message : "" });
    if (response.headersSent) response.destroy();
    else refusal.answer(response);
  }
}

interface IdleWatch {
  readonly reached: Promise<void>;
  end(): void;
}

function idleWatch(idleMs: number | undefined, isBusy: () => boolean): IdleWatch {
  if (idleMs === undefined) return { reached: new Promise(() => undefined), end: () => undefined };
  let timer: NodeJS.Timeout | undefined;
  const reached = new Promise<void>((resolve) => {
    let looks = 0;
    timer = setInterval(() => {
      looks = isBusy() ? 0 : looks + 1;
      if (looks >= IDLE_LOOKS) resolve();
    }, idleMs / IDLE_LOOKS);
  });
  return { reached, end: () => clearInterval(timer) };
}

function listenError(port: number, cause: Error): SltrainError {
  return new SltrainError({
    code: "lambda-listen",
    message: `local Lambda service: expected to listen on ${HOST}:${port}, got ${cause.message}`,
    cause,
    suggestions: ["Choose another --port (0: any that is free)."],
  });
}
