// One run of LeNet-5 under one schedule of faults, by real processes on a folder, and whether it came out as if nothing
// had been.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runKeys } from "../../src/run/keys.ts";
import { appendMembers } from "../../src/run/membership.ts";
import type { RunSummary } from "../../src/run/records.ts";
import { openStorage } from "../../src/storage/open.ts";
import { Cluster } from "./cluster.ts";
import type { CoordinatorJob } from "./coordinator.ts";
import { writeImages } from "./data.ts";
import { Progress } from "./progress.ts";
import { Striker } from "./striker.ts";
import {
  calmly,
  describeSchedule,
  type Fault,
  LEASE_MS,
  MEMBERS,
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
const LONG_LIFE_S = 60;
/** The shortest that sltrain allows. */
const SHORTEST_LIFE_S = 3;
/** Several faults may strike a rank in one step, and functions that live as shortly as here die of waiting as well. */
const MAX_RESTARTS = 10;

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
  readonly #references = new Map<Variant, Promise<Survival>>();

  /** In `folder`, which the caller removes. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#data = writeImages(join(folder, "data"), IMAGES);
  }

  /** Throws, with the command that repeats it, if the run failed or came out otherwise than undisturbed. */
  async survive(schedule: Schedule): Promise<Survival> {
    const calm = await this.#reference(schedule.variant);
    const timeoutS = schedule.shortLived ? shortLifeS(calm.wallMs) : LONG_LIFE_S;
    try {
      const survival = await this.#run(schedule, timeoutS, `seed-${schedule.seed}`);
      const [expected, got] = [calm, survival].map(({ summary }) => summary.parametersSha256);
      if (got === expected) return survival;
      throw new Error(`expected parameters ${expected}, got ${got}`);
    } catch (cause) {
      const repeat = `npx node bench/e2e/chaos.ts --schedules 1 --from ${schedule.seed}`;
      throw new Error(`${describeSchedule(schedule)}: ${String(cause)}\n  ${repeat}`, { cause });
    }
  }

  get #storage(): string {
    return join(this.#folder, "storage");
  }

  /** The variant's run when nothing goes wrong. */
  #reference(variant: Variant): Promise<Survival> {
    let reference = this.#references.get(variant);
    if (reference === undefined) {
      reference = this.#run(calmly(variant), LONG_LIFE_S, `calm-${variant}`);
      this.#references.set(variant, reference);
    }
    return reference;
  }

  async #writeMembers(runId: string, variant: Variant): Promise<void> {
    const storage = await openStorage(`fs:${this.#storage}`);
    for (const entry of MEMBERS[variant] ?? []) await appendMembers(storage, runKeys(runId), entry);
    await storage.close();
  }

  async #run(schedule: Schedule, timeoutS: number, runId: string): Promise<Survival> {
    const logFolder = join(this.#folder, "logs", runId);
    mkdirSync(logFolder, { recursive: true });
    await this.#writeMembers(runId, schedule.variant);
    const startedMs = performance.now();
    const cluster = await Cluster.start(schedule, timeoutS, logFolder);
    const query = storageQuery(schedule);
    const job: CoordinatorJob = {
      ...{ runId, functions: cluster.functions },
      storage: `fs:${this.#storage}${query === "" ? "" : `?${query}`}`,
      settings: {
        ...VARIANTS[schedule.variant],
        ...{ model: "lenet5", data: this.#data, workers: WORKERS, "batch-size": BATCH, epochs: EPOCHS },
        ...{ "io-thread": "off", threads: 1, "checkpoint-every-steps": 12 },
        ...{ "lease-ms": LEASE_MS, "timeout-s": timeoutS, "max-restarts": MAX_RESTARTS },
      },
    };
    const striker = new Striker(schedule, cluster, job, new Progress(this.#storage, runId));
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

/** Twice what a machine takes for a run that nothing disturbs or slows down, its start included. */
function shortLifeS(calmMs: number): number {
  return Math.max(SHORTEST_LIFE_S, Math.ceil((2 * calmMs) / 1000));
}
