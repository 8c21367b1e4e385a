// Runs of one prepared manifest, with nobody to coordinate them: a bench starts their workers its own way and reads what
// they leave.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runKeys } from "../../src/run/keys.ts";
import {
  RUN_SCHEMA_VERSION,
  type RunManifest,
  type WorkerEvent,
  type WorkerResult,
} from "../../src/run/records.ts";

const BIN = fileURLToPath(new URL("../../bin/run.js", import.meta.url));

export interface PreparedRun {
  readonly runId: string;
  /** One for each rank. */
  readonly events: readonly WorkerEvent[];
  /** By rank, once all have ended. */
  results(): WorkerResult[];
}

export interface RunChanges {
  readonly config?: Partial<RunManifest["config"]>;
  /** Ends after its first step. */
  readonly oneStep?: boolean;
  /** URI of what starts functions. */
  readonly functions?: string;
}

export class PreparedRuns {
  readonly #root: string;
  readonly #manifest: RunManifest;
  #count = 0;

  /** Trains once, by `settings` as flags, so that data and manifest lie in `root`. */
  constructor(root: string, settings: readonly string[]) {
    this.#root = root;
    const args = ["train", ...settings, "--storage", `fs:${root}`, "--run-id", "prepared", "--json"];
    const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${args.join(" ")}: exit code ${status}: ${stdout}${stderr}`);
    this.#manifest = JSON.parse(this.#read(runKeys("prepared").manifest)) as RunManifest;
  }

  /** One more run, of which no worker is started yet. */
  next({ config, oneStep = false, functions }: RunChanges = {}): PreparedRun {
    const runId = `run-${this.#count++}`;
    const manifest = { ...this.#manifest, runId, config: { ...this.#manifest.config, ...config } };
    const keys = runKeys(runId);
    mkdirSync(join(this.#root, "runs", runId), { recursive: true });
    writeFileSync(join(this.#root, keys.manifest), JSON.stringify(manifest));
    if (oneStep) writeFileSync(join(this.#root, keys.stop), "{}");
    const storage = `fs:${this.#root}`;
    const ranks = Array.from({ length: manifest.config.workers }, (_, rank) => rank);
    return {
      runId,
      events: ranks.map((rank) => ({
        ...{ schemaVersion: RUN_SCHEMA_VERSION, kind: "worker", runId, storage, channel: storage },
        ...{ rank, attempt: 0, workers: ranks.length, generation: 0, reason: "start" },
        ...(functions === undefined ? {} : { functions }),
      })),
      results: () => ranks.map((rank) => JSON.parse(this.#read(keys.result(0, rank))) as WorkerResult),
    };
  }

  #read(key: string): string {
    return readFileSync(join(this.#root, key), "utf8");
  }
}
