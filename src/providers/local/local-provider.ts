// Functions of this machine: a service of the run's own (service.ts), which lives as long as it has something to do.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { LogLine, LogQuery, ProvidedRun, Provider } from "../../coordinator/provider.ts";
import { localUri } from "../../functions/local.ts";
import { builtFunction, HANDLER } from "../function-bundle.ts";
import { readLogs } from "./log-reader.ts";
import { type ServiceProcess, startServiceProcess } from "./service-process.ts";

/** A worker that hands over and its successor may overlap; a rescued one may still be there as well. */
const CONCURRENCY_PER_WORKER = 3;
const STARTERS = 10;
const IDLE_MS = 60_000;

/** Variables that functions get over those of this process; asked for when functions are started. */
type Environment = () => Readonly<Record<string, string>>;

/** In the folder of that key where storage is one, else in a folder of that name here. */
export function logDirectory(storageUri: string, key: string): string {
  const root = storageUri.startsWith("fs:") ? storageUri.slice("fs:".length) : ".sltrain";
  return join(root, key, "logs");
}

export class LocalProvider implements Provider {
  readonly name = "local";
  readonly #logFolder: string;
  readonly #environment: Environment;
  #service: ServiceProcess | undefined;

  /** Where functions of this run log, and have logged. */
  constructor(logFolder: string, environment: Environment = () => ({})) {
    this.#logFolder = logFolder;
    this.#environment = environment;
  }

  /** Throws SltrainError "function-not-built" and "provider-failed". */
  async open({ workers, memoryMiB, timeoutS }: ProvidedRun): Promise<{ readonly functions: string }> {
    const bundlePath = builtFunction();
    // Unguessable: others on this machine reach the same loopback.
    const name = `sltrain-${randomBytes(12).toString("hex")}`;
    this.#service = await startServiceProcess({
      ...{ port: 0, logFolder: this.#logFolder, idleMs: IDLE_MS },
      accountConcurrency: CONCURRENCY_PER_WORKER * workers + STARTERS,
      functions: [
        {
          ...{ name, memoryMiB, timeoutS },
          environment: this.#environment(),
          bundlePath,
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
