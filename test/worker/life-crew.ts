// A whole run in this process: real handlers, real storage, and functions that are tasks. How long a function may live is
// counted in looks at its clock, one for each exchange, so that nothing depends on the machine's pace.

import { createMappingProvider } from "../../src/providers/create-provider.ts";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { resolveTrainConfig } from "../../src/config/resolve.ts";
import { prepareRun } from "../../src/coordinator/prepare.ts";
import type { Functions } from "../../src/functions/functions.ts";
import { batchNormalization, Composer, dense } from "../../src/models/compose.ts";
import { formatTopology } from "../../src/models/format-topology.ts";
import { NO_COST } from "../../src/plan/run-cost.ts";
import { type Attempt, claimAttempt } from "../../src/run/attempts.ts";
import { runKeys, type RunKeys } from "../../src/run/keys.ts";
import { getJson, getJsonLines } from "../../src/run/json-object.ts";
import {
  type EpochMetrics,
  RUN_SCHEMA_VERSION,
  type RunManifest,
  type WorkerEvent,
  type WorkerResult,
} from "../../src/run/records.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { type FunctionEnd, handlerWith } from "../../src/worker/handler.ts";

export const WORKERS = 4;
/** 320 samples in batches of 32. */
export const STEPS_PER_EPOCH = 10;

/** A function that was started, and how it ended. */
export interface Started {
  readonly event: WorkerEvent;
  readonly end: Promise<FunctionEnd>;
}

export interface CrewOptions {
  /** By the names of settings. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** 7 unless given. */
  readonly checkpointEverySteps?: number;
  /** Looks at its remaining time after which a function has none left; default: it lives for ever. */
  readonly lives?: (event: WorkerEvent) => number;
  /** How long it may live by its own clock; default: 15 minutes. */
  readonly lifeMs?: (event: WorkerEvent) => number;
  /** Runs the function in another way, if it gives one. */
  readonly elsewhere?: (event: WorkerEvent) => Promise<FunctionEnd> | undefined;
  /** Whether a start is accepted and comes to nothing. */
  readonly loses?: (event: WorkerEvent) => boolean;
}

export class LifeCrew {
  readonly storage: Storage;
  readonly manifest: RunManifest;
  readonly keys: RunKeys;
  readonly started: Started[] = [];
  readonly #options: CrewOptions;
  readonly #uri: string;
  readonly #handler;

  static async prepare(folder: string, options: CrewOptions = {}): Promise<LifeCrew> {
    const uri = `fs:${mkdtempSync(join(folder, "run-"))}`;
    const { config, sources } = await resolveTrainConfig({
      flags: {
        ...{
          workers: WORKERS,
          data: "random-binary:320",
          model: "lr",
          epochs: 3,
          "batch-size": 32,
          threads: 1,
        },
        ...{ storage: uri, ...options.settings },
      },
      env: {
        ...{ SLTRAIN_IO_THREAD: "off", SLTRAIN_LEASE_MS: "200" },
        // A rate that stays: the steps of a shorter run are those of a longer one.
        ...{ SLTRAIN_OPTIMIZER: "momentum", SLTRAIN_LR: "0.05", SLTRAIN_SCHEDULE: "constant" },
        SLTRAIN_CHECKPOINT_EVERY_STEPS: String(options.checkpointEverySteps ?? 7),
      },
      cwd: folder,
    });
    const storage = await openStorage(uri);
    const { manifest } = await prepareRun({
      createMappingProvider: (uri, id) => createMappingProvider(config, uri, id),
      storage,
      config,
      sources,
      sltrainVersion: "test",
    });
    const record: Attempt = {
      ...{ at: manifest.createdAt, storage: uri, channel: uri, functions: "tasks:" },
      ...{ workers: config.workers, before: NO_COST },
    };
    await claimAttempt(storage, manifest.runId, { attempt: 0, record });
    return new LifeCrew(storage, uri, manifest, options);
  }

  private constructor(storage: Storage, uri: string, manifest: RunManifest, options: CrewOptions) {
    this.storage = storage;
    this.manifest = manifest;
    this.keys = runKeys(manifest.runId);
    this.#options = options;
    this.#uri = uri;
    const functions: Functions = {
      invoke: (event) => Promise.resolve(void this.start(event as WorkerEvent)),
      close: () => Promise.resolve(),
    };
    this.#handler = handlerWith(() => Promise.resolve(functions));
  }

  eventOf(rank: number, more: Partial<WorkerEvent> = {}): WorkerEvent {
    const { runId } = this.manifest;
    return {
      ...{ schemaVersion: RUN_SCHEMA_VERSION, kind: "worker", runId, storage: this.#uri, channel: this.#uri },
      ...{ functions: "tasks:", rank, attempt: 0, workers: WORKERS, generation: 0, reason: "start", ...more },
    };
  }

  /** Starts a function with `event`. */
  start(event: WorkerEvent): Promise<FunctionEnd> {
    const { lives = () => Infinity, lifeMs = () => 900_000, loses = () => false, elsewhere } = this.#options;
    // The first one tells how long it may live.
    let looks = lives(event) + 1;
    const context = {
      awsRequestId: `request-${this.started.length}`,
      memoryLimitInMB: "1769",
      getRemainingTimeInMillis: () => (looks-- > 0 ? lifeMs(event) : 0),
    };
    const end = loses(event)
      ? new Promise<never>(() => undefined)
      : (elsewhere?.(event) ?? this.#handler(event, context));
    end.catch(() => undefined);
    if (!loses(event)) this.started.push({ event, end });
    return end;
  }

  /** Starts all ranks, and waits until nothing runs any more: the results by rank. */
  async run(): Promise<WorkerResult[]> {
    for (let rank = 0; rank < WORKERS; rank++) void this.start(this.eventOf(rank));
    return this.ended();
  }

  async ended(attempt = 0): Promise<WorkerResult[]> {
    for (let seen = -1; seen < this.started.length;) {
      seen = this.started.length;
      await Promise.all(this.started.map(({ end }) => end));
    }
    const results = Array.from({ length: WORKERS }, (_, rank) =>
      getJson<WorkerResult>(this.storage, this.keys.result(attempt, rank)),
    );
    return (await Promise.all(results)) as WorkerResult[];
  }

  epochs(): Promise<EpochMetrics[]> {
    return getJsonLines(this.storage, this.keys.metrics);
  }
}

/** A model with statistics, as a file. */
export function batchNormModel(folder: string): string {
  const composer = new Composer();
  composer.add(dense(8, "relu"));
  composer.add(batchNormalization({ momentum: 0.9 }));
  composer.add(dense(1, "sigmoid"));
  const path = join(folder, "batch-norm.json");
  writeFileSync(path, formatTopology(composer.topology("batch-norm", [20])));
  return path;
}

/** A folder that is in memory where there is one, and how to remove it. */
export function runsFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "sltrain-life-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
