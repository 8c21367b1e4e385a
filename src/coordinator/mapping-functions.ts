// The stages of a mapping over partitions on functions: each gets a run of parts, and leaves their results in storage. The
// coordinator looks what is there; of a share that is silent it has the rest computed by another function, and it reads the
// results in the parts' order.

import { setTimeout as sleep } from "node:timers/promises";
import { evenPart } from "../data/order.ts";
import type { Part, PartResult, StagePlan } from "../data/transform/job.ts";
import type { Statistics } from "../data/transform/measure.ts";
import { SltrainError } from "../errors.ts";
import type { Functions } from "../functions/functions.ts";
import type { Storage } from "../storage/storage.ts";
import { gbSecondsOf, runCost, type RunCost } from "../plan/run-cost.ts";
import { watchPace } from "../plan/watch-pace.ts";
import { getJson, putJson } from "../run/json-object.ts";
import { listStage, mappingKeys, type MappingKeys, type StageListing } from "../run/mapping-keys.ts";
import {
  decodeResult,
  type DecodedResult,
  type Life,
  type MappingEnd,
  type MappingFailure,
  type MappingJob,
} from "../run/mapping-records.ts";
import { RUN_SCHEMA_VERSION, type MapperEvent } from "../run/records.ts";
import { MappingShare } from "./mapping-share.ts";

/** Results that are read at once. */
const READS_AT_ONCE = 8;
/** Between a function's last result and its last word. */
const ENDING_MS = 1_000;
const ENDING_POLL_MS = 50;

/** What is to be made, and what functions know of it. */
export interface MappingTask {
  readonly storage: Storage;
  /** Of the data set that is made. */
  readonly id: string;
  readonly job: MappingJob;
}

export interface MappingOptions extends MappingTask {
  readonly functions: Functions;
  /** Names what the functions print. */
  readonly runId: string;
  readonly workers: number;
  readonly memoryMiB: number;
  readonly timeoutS: number;
  readonly leaseMs: number;
  readonly maxRestarts: number;
  readonly onProgress: (progress: MappingProgress) => void;
}

export interface MappingProgress {
  readonly stage: StagePlan;
  /** Parts that have a result. */
  readonly done: ReadonlySet<number>;
  /** Functions that have something left to do. */
  readonly working: number;
}

/** What functions were used for it. */
export interface MappingUse {
  /** Calls of functions. */
  readonly lives: number;
  /** Functions that took the place of one that was silent. */
  readonly restarts: number;
  readonly gbSeconds: number;
  /** Of the process that held the most. */
  readonly peakMemoryMiB: number;
  readonly costUsd: RunCost;
}

export class MappingFunctions {
  readonly #options: MappingOptions;
  readonly #keys: MappingKeys;
  /** By id. */
  readonly #lives = new Map<string, Life>();
  /** Keys of those that have been read. */
  readonly #ends = new Set<string>();
  #restarts = 0;
  #begun = false;

  constructor(options: MappingOptions) {
    this.#options = options;
    this.#keys = mappingKeys(options.id);
  }

  /**
   * A `RunStage`. Throws SltrainError "function-died" for a share that nobody gets on with, what a function left as its
   * failure, and what functions and storage throw.
   */
  readonly run = async function* (
    this: MappingFunctions,
    stage: StagePlan,
    measured: ReadonlyMap<number, Statistics>,
  ): AsyncGenerator<readonly [Part, PartResult]> {
    await this.#tell(stage, measured);
    await this.#compute(stage);
    const ids = new Set<string>();
    for await (const [part, { result, life }] of this.#results(stage)) {
      ids.add(life.id);
      this.#note(life);
      yield [part, result];
    }
    await this.#awaitEnds(stage, [...ids]);
  }.bind(this);

  get use(): MappingUse {
    const lives = [...this.#lives.values()];
    const uses = lives.map(({ usage }) => usage);
    return {
      peakMemoryMiB: Math.max(0, ...lives.map(({ peakMemoryMiB }) => peakMemoryMiB)),
      lives: uses.length,
      restarts: this.#restarts,
      gbSeconds: uses.reduce((sum, use) => sum + gbSecondsOf(use), 0),
      costUsd: runCost(uses, []),
    };
  }

  /** Once the data set is there: nobody needs these any more. */
  async clear(): Promise<void> {
    await this.#options.storage.deleteFolder(this.#keys.work);
  }

  /** What functions need to know beside their event. */
  async #tell(stage: StagePlan, measured: ReadonlyMap<number, Statistics>): Promise<void> {
    const { storage, job } = this.#options;
    if (!this.#begun) {
      await putJson(storage, this.#keys.job, job);
      this.#begun = true;
    }
    for (const [step, statistics] of measured) {
      if (step < stage.index) {
        await putJson(storage, this.#keys.measured(step), statistics, { ifAbsent: true });
      }
    }
    // Of an earlier try, whose reason may be gone.
    const { failures } = await this.#look(stage);
    await storage.delete(failures);
  }

  async #compute(stage: StagePlan): Promise<void> {
    const { storage, workers, memoryMiB, timeoutS, leaseMs, maxRestarts, onProgress } = this.#options;
    const { pollMs } = watchPace(storage.capabilities.prices, { workers, memoryMiB, timeoutS });
    const count = Math.min(workers, stage.parts.length);
    const shares = Array.from(
      { length: count },
      (_, index) => new MappingShare(evenPart(stage.parts.length, index, count), { leaseMs, maxRestarts }),
    );
    for (;;) {
      const listing = await this.#look(stage);
      await this.#throwFailure(listing);
      const ended = await this.#readEnds(listing);
      for (const share of shares) share.look(listing.done, ended);
      const open = shares.filter(({ isDone }) => !isDone);
      onProgress({ stage, done: listing.done, working: open.length });
      if (open.length === 0) return;
      await Promise.all(open.map((share) => this.#start(stage, share)));
      await sleep(pollMs);
    }
  }

  /** Has the rest of a share computed, if it is due. */
  async #start(stage: StagePlan, share: MappingShare): Promise<void> {
    const { id, functions, runId, workers } = this.#options;
    const start = share.startIfDue();
    if (start === undefined) return;
    if (start.reason === "silent") this.#restarts++;
    const event: Omit<MapperEvent, "storage" | "channel"> = {
      ...{ schemaVersion: RUN_SCHEMA_VERSION, kind: "mapper", runId, workers, attempt: start.attempt },
      ...{ data: id, stage: stage.index, parts: start.parts },
    };
    await functions.invoke(event);
  }

  #look(stage: StagePlan): Promise<StageListing> {
    return listStage(this.#options.storage.list(this.#keys.stage(stage.index)));
  }

  async #throwFailure({ failures: [key] }: StageListing): Promise<void> {
    if (key === undefined) return;
    const failure = await getJson<MappingFailure>(this.#options.storage, key);
    if (failure === undefined) return;
    const { code, message, suggestions } = failure;
    throw new SltrainError({ code, message, suggestions });
  }

  /** Notes what they were billed for. Returns where the parts of those ended whose time was over. */
  async #readEnds({ ends }: StageListing): Promise<number[]> {
    const outOfTime: number[] = [];
    for (const key of ends.filter((end) => !this.#ends.has(end))) {
      const end = await getJson<MappingEnd>(this.#options.storage, key);
      if (end === undefined) continue;
      this.#ends.add(key);
      this.#note(end);
      if (end.state === "out-of-time") outOfTime.push(end.parts[1]);
    }
    return outOfTime;
  }

  async *#results(stage: StagePlan): AsyncGenerator<readonly [Part, DecodedResult]> {
    const { storage } = this.#options;
    for (let begin = 0; begin < stage.parts.length; begin += READS_AT_ONCE) {
      const parts = stage.parts.slice(begin, begin + READS_AT_ONCE);
      const keys = parts.map((_, i) => this.#keys.result(stage.index, begin + i));
      const objects = await Promise.all(keys.map((key) => storage.get({ key })));
      for (const [i, part] of parts.entries()) {
        const object = objects[i];
        if (object === undefined) throw missing(keys[i]!, storage.uri);
        yield [part, decodeResult(object)];
      }
    }
  }

  /** A life tells more the later it does. */
  #note(life: Life): void {
    const known = this.#lives.get(life.id);
    if (known === undefined || known.usage.billedMs < life.usage.billedMs) this.#lives.set(life.id, life);
  }

  /** Who has left a result is about to end, and then tells what it was billed for; unless it was killed. */
  async #awaitEnds(stage: StagePlan, ids: readonly string[]): Promise<void> {
    const deadlineMs = performance.now() + ENDING_MS;
    const running = () => ids.some((id) => !this.#ends.has(this.#keys.end(stage.index, id)));
    while (running() && performance.now() < deadlineMs) {
      await this.#readEnds(await this.#look(stage));
      if (running()) await sleep(ENDING_POLL_MS);
    }
  }
}

function missing(key: string, uri: string): SltrainError {
  return new SltrainError({
    code: "record-missing",
    message: `${key} in ${uri}: expected the result that was there, got no object`,
    suggestions: ["Run the command again: it goes on from what is there."],
  });
}
