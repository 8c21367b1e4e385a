// Functions as processes of this machine. A worker gets its event as a file on standard input and its log as a file
// on standard output: no pipe, socket or memory ties it to the coordinator, which may die without harm.

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FunctionExit, Invocation, ProcessProvider } from "../../coordinator/provider.ts";
import { encodeEvent } from "../../functions/functions.ts";
import type { WorkerEvent } from "../../run/records.ts";

/** The runtime lies beside this file, built or not; the bundle exists only as built. */
const RUNTIME = fileURLToPath(
  import.meta.resolve(import.meta.url.endsWith(".ts") ? "./function-runtime.ts" : "./function-runtime.js"),
);
const PACKAGE_ROOT = import.meta.url.endsWith(".ts") ? "../../../" : "../../../../";
const BUNDLE = fileURLToPath(new URL(`${PACKAGE_ROOT}dist/function/handler.mjs`, import.meta.url));

/** Beside the run's other files where storage is a folder, else in a folder of that name here. */
export function logDirectory(storageUri: string, runId: string): string {
  const root = storageUri.startsWith("fs:") ? storageUri.slice("fs:".length) : ".sltrain";
  return join(root, "runs", runId, "logs");
}

export class LocalProcesses implements ProcessProvider {
  readonly name = "local";
  readonly #logDirectory: string;

  /** Logs and events go to files in `logDirectory`, which is created. */
  constructor(logDirectory: string) {
    this.#logDirectory = logDirectory;
    mkdirSync(logDirectory, { recursive: true });
  }

  async invoke(event: WorkerEvent): Promise<Invocation> {
    const payload = encodeEvent(event);
    const base = join(this.#logDirectory, `worker-${event.attempt}-${event.rank}`);
    const logPath = `${base}.log`;
    writeFileSync(`${base}.event.json`, payload);
    const input = openSync(`${base}.event.json`, "r");
    const log = openSync(logPath, "w");
    // A process group of its own: Ctrl-C on the terminal reaches the coordinator, which asks the workers to stop.
    const child = spawn(process.execPath, [RUNTIME, BUNDLE], { stdio: [input, log, log], detached: true });
    closeSync(input);
    closeSync(log);
    const exited = new Promise<FunctionExit>((resolve, reject) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
      child.once("error", reject);
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    return {
      rank: event.rank,
      exited,
      kill: () => child.kill("SIGKILL"),
      logTail: async (lines) => (await readFile(logPath, "utf8")).trimEnd().split("\n").slice(-lines),
    };
  }
}
