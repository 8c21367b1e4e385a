// One run of LeNet-5 under one schedule of faults, by real processes on a folder, and whether it came out as if nothing
// had been.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunSummary } from "../../src/run/records.ts";
import { Cluster } from "./cluster.ts";
import type { CoordinatorJob } from "./coordinator.ts";
import { writeImages } from "./data.ts";
import { Progress } from "./progress.ts";
import { Striker } from "./striker.ts";
import {
  describeSchedule,
  type Fault,
  LEASE_MS,
  type Schedule,
  STEPS,
  storageQuery,
  type Variant,
  VARIANTS,
  WORKERS,
} from "./schedule.ts";

const BATCH = 32;
const EPOCHS = 2;
/** A tenth of the images validates. */
const IMAGES = Math.round((STEPS * BATCH) / EPOCHS / 0.9);
const GIVE_UP_MS = 60_000;

export interface Survival {
  readonly wallMs: number;
  readonly summary: RunSummary;
  /** Faults that found what they were to strike before the run was over. */
  readonly struck: readonly Fault[];
}

/** Where schedules run: their data is there once, and runs that nothing disturbs, to compare with. */
export class Scene {
  readonly #folder: string;
  readonly #data: string;
  readonly #references = new Map<Variant, Promise<string>>();

  /** In `folder`, which the caller removes. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#data = writeImages(join(folder, "data"), IMAGES);
  }

  /** SHA-256 of the parameters that the variant ends with when nothing goes wrong. */
  reference(variant: Variant): Promise<string> {
    let reference = this.#references.get(variant);
    if (reference === undefined) {
      const calm: Schedule = {
        ...{ seed: 0, variant, faults: [], late: undefined, storage: {}, timeoutS: 60 },
      };
      reference = this.#run(calm, `calm-${variant}`).then(({ summary }) => summary.parametersSha256);
      this.#references.set(variant, reference);
    }
    return reference;
  }

  /** Throws, with the command that repeats it, if the run failed or came out otherwise than undisturbed. */
  async survive(schedule: Schedule): Promise<Survival> {
    const reference = await this.reference(schedule.variant);
    try {
      const survival = await this.#run(schedule, `seed-${schedule.seed}`);
      const { parametersSha256 } = survival.summary;
      if (parametersSha256 === reference) return survival;
      throw new Error(`expected parameters ${reference}, got ${parametersSha256}`);
    } catch (cause) {
      const repeat = `npx node bench/e2e/chaos.ts --schedules 1 --from ${schedule.seed}`;
      throw new Error(`${describeSchedule(schedule)}: ${String(cause)}\n  ${repeat}`, { cause });
    }
  }

  async #run(schedule: Schedule, runId: string): Promise<Survival> {
    const root = join(this.#folder, "storage");
    const logFolder = join(this.#folder, "logs", runId);
    mkdirSync(logFolder, { recursive: true });
    const startedMs = performance.now();
    const cluster = await Cluster.start(schedule, logFolder);
    const query = storageQuery(schedule);
    const job: CoordinatorJob = {
      ...{ runId, functions: cluster.functions },
      storage: `fs:${root}${query === "" ? "" : `?${query}`}`,
      settings: {
        ...VARIANTS[schedule.variant],
        ...{ model: "lenet5", data: this.#data, workers: WORKERS, "batch-size": BATCH, epochs: EPOCHS },
        ...{ "io-thread": "off", threads: 1, "checkpoint-every-steps": 12 },
        ...{ "lease-ms": LEASE_MS, "timeout-s": schedule.timeoutS },
      },
    };
    const striker = new Striker(schedule, cluster, job, new Progress(root, runId));
    try {
      const summary = await Promise.race([striker.summary, deadline(GIVE_UP_MS)]);
      return { wallMs: performance.now() - startedMs, summary, struck: striker.struck };
    } finally {
      await striker.stop();
      await cluster.close();
    }
  }
}

async function deadline(afterMs: number): Promise<never> {
  await sleep(afterMs, undefined, { ref: false });
  throw new Error(`expected the run to end within ${afterMs / 1000} s`);
}
