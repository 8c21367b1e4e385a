// Starts the local service as a process that outlives this one: neither a closed terminal nor the coordinator's death ends
// the functions that it runs.

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { SltrainError } from "../../errors.ts";
import type { ServiceOptions } from "./service.ts";

const MAIN = fileURLToPath(
  import.meta.resolve(import.meta.url.endsWith(".ts") ? "./service-main.ts" : "./service-main.js"),
);

/** What it prints when it listens. */
export interface ServiceAddress {
  readonly endpoint: string;
}

export interface ServiceProcess extends ServiceAddress {
  /** It has ended, whyever. */
  readonly stopped: Promise<void>;
  /** Ends it and all that it runs; resolves once nothing of it is left. */
  stop(): Promise<void>;
}

export type ServiceProcessOptions = Pick<
  ServiceOptions,
  "port" | "accountConcurrency" | "logFolder" | "functions" | "idleMs" | "retryDelaysMs"
>;

/** Functions inherit this process' environment. Throws SltrainError "provider-failed" with what the service said. */
export async function startServiceProcess(options: ServiceProcessOptions): Promise<ServiceProcess> {
  mkdirSync(options.logFolder, { recursive: true });
  const errorsPath = join(options.logFolder, "service.log");
  const errors = openSync(errorsPath, "a");
  const child = spawn(process.execPath, [MAIN], {
    stdio: ["pipe", "pipe", errors],
    detached: true,
  });
  closeSync(errors);
  // Not as an argument: whoever reads a function's name in the list of processes could invoke it.
  child.stdin!.end(JSON.stringify(options));
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface(child.stdout!).once("line", resolve)),
    exited,
  ]);
  child.stdout!.destroy();
  child.unref();
  if (line === undefined) {
    throw new SltrainError({
      code: "provider-failed",
      message: `local functions: expected a service to start, got: ${readFileSync(errorsPath, "utf8").trim().slice(-2000)}`,
    });
  }
  return {
    ...(JSON.parse(line) as ServiceAddress),
    stopped: exited,
    stop: () => {
      child.ref();
      child.kill("SIGTERM");
      return exited;
    },
  };
}
