// `sltrain lambda serve`: the local Lambda service in the foreground, from its start to the signal that ends it. Stacks of
// functions can be deployed to it (deployment-api.ts).

import { join } from "node:path";
import { functionFolder, HANDLER } from "../function-bundle.ts";
import { ENDPOINT_VARIABLES } from "../lambda/endpoint.ts";
import { deploymentRoutes } from "./deployment-api.ts";
import type { Limits } from "./limits/limits.ts";
import { startLambdaService } from "./service.ts";

/** What it tells, in order; `--json` prints these, one per line: docs/json.md. */
export type LambdaServeEvent =
  | ({
      readonly event: "lambda.listening";
      readonly endpoint: string;
      readonly concurrency: number;
      readonly logs: string;
    } & Pick<Limits, "memory" | "cpu">)
  | { readonly event: "lambda.stopped" };

export interface LambdaServeOptions {
  readonly port: number;
  readonly concurrency: number;
  /** Gets the folders `logs` and `code`. */
  readonly folder: string;
  readonly region: string;
  /** The worker as a function that nobody has deployed. */
  readonly worker?: { readonly name: string; readonly memoryMiB: number; readonly timeoutS: number };
  readonly onEvent: (event: LambdaServeEvent) => void;
  /** Its abort ends the service and all that it runs. */
  readonly signal: AbortSignal;
}

/** Resolves when the service has ended. Throws SltrainError "lambda-listen". */
export async function serveLambda(options: LambdaServeOptions): Promise<void> {
  const { port, concurrency, folder, region, worker, onEvent, signal } = options;
  const logFolder = join(folder, "logs");
  // A storage may be a path from where the user is.
  const code = { bundlePath: functionFolder, handler: HANDLER, workingDirectory: process.cwd() };
  const service = await startLambdaService({
    ...{ port, region, logFolder, accountConcurrency: concurrency },
    functions: worker ? [{ ...worker, ...code, environment: {} }] : [],
  });
  const { endpoint, enforces, registry } = service;
  const place = { registry, endpoint, region, codeFolder: join(folder, "code") };
  service.routes.push(...deploymentRoutes({ ...place, logFolder }));
  onEvent({ event: "lambda.listening", endpoint, ...enforces, concurrency, logs: logFolder });
  if (!signal.aborted) {
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
  await service.close();
  onEvent({ event: "lambda.stopped" });
}

const MEMORY = {
  "cgroup-v1": "memory: enforced by the kernel (cgroup v1)",
  "cgroup-v2": "memory: enforced by the kernel (cgroup v2)",
  measured: "memory: measured; a function that takes more is ended within a moment",
} as const satisfies Record<Limits["memory"], string>;

const CPU = {
  "cgroup-v1": "CPU: 1 vCPU per 1,769 MB, enforced by the kernel (cgroup v1)",
  "cgroup-v2": "CPU: 1 vCPU per 1,769 MB, enforced by the kernel (cgroup v2)",
  "not-enforced": "CPU: not limited here (no writable cgroup)",
} as const satisfies Record<Limits["cpu"], string>;

/** For a terminal: comments, and what a shell takes to send the SDK's and the AWS CLI's requests here. */
export function serveLines(event: LambdaServeEvent, env: NodeJS.ProcessEnv): string[] {
  if (event.event === "lambda.stopped") return ["# stopped"];
  const { endpoint, memory, cpu, concurrency, logs } = event;
  const missing = Object.entries({
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
  }).filter(([name]) => env[name] === undefined);
  return [
    `# Lambda's Invoke API on ${endpoint}, ${concurrency} invocations at one time, logs in ${logs}`,
    ...[MEMORY[memory], CPU[cpu]].map((line) => `# ${line}`),
    ...[...ENDPOINT_VARIABLES.map((name) => [name, endpoint]), ...missing].map(
      ([name, value]) => `export ${name!}=${value!}`,
    ),
    "# Ctrl-C stops it, and all functions in it",
  ];
}
