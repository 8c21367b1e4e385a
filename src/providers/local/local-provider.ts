// Functions of this machine: a service of the run's own (service.ts), which lives as long as it has something to do.

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LogLine, LogQuery, ProvidedRun, Provider } from "../../coordinator/provider.ts";
import { SltrainError } from "../../errors.ts";
import { localUri } from "../../functions/local.ts";
import { functionFolder, HANDLER } from "../function-bundle.ts";
import { readLogs } from "./log-reader.ts";
import { type ServiceProcess, startServiceProcess } from "./service-process.ts";

/** A worker that hands over and its successor run at one time; a rescued one may still be there as well. */
const CONCURRENCY_PER_WORKER = 3;
const STARTERS = 10;
const IDLE_MS = 60_000;

/** Beside the run's other files where storage is a folder, else in a folder of that name here. */
export function logDirectory(storageUri: string, runId: string): string {
  const root = storageUri.startsWith("fs:") ? storageUri.slice("fs:".length) : ".sltrain";
  return join(root, "runs", runId, "logs");
}

export class LocalProvider implements Provider {
  readonly name = "local";
  readonly #logFolder: string;
  #service: ServiceProcess | undefined;

  /** Where functions of this run log, and have logged. */
  constructor(logFolder: string) {
    this.#logFolder = logFolder;
  }

  /** Throws SltrainError "provider-failed". */
  async open({ workers, memoryMiB, timeoutS }: ProvidedRun): Promise<{ readonly functions: string }> {
    if (!existsSync(functionFolder)) {
      throw new SltrainError({
        code: "provider-failed",
        message: `local functions: expected the built function in ${functionFolder}, got nothing there`,
        suggestions: ["Run `npm run build`."],
      });
    }
    // Unguessable: others on this machine reach the same loopback.
    const name = `sltrain-${randomBytes(12).toString("hex")}`;
    this.#service = await startServiceProcess({
      ...{ port: 0, logFolder: this.#logFolder, idleMs: IDLE_MS },
      accountConcurrency: CONCURRENCY_PER_WORKER * workers + STARTERS,
      functions: [
        {
          ...{ name, memoryMiB, timeoutS },
          environment: {},
          bundlePath: functionFolder,
          handler: HANDLER,
          // A storage may be a path from where the user is.
          workingDirectory: process.cwd(),
        },
      ],
    });
    return { functions: localUri(this.#service.endpoint, name) };
  }

  logs(query: LogQuery): AsyncIterable<LogLine> {
    return readLogs(this.#logFolder, query);
  }

  async close(): Promise<void> {
    await this.#service?.stop();
    this.#service = undefined;
  }
}
