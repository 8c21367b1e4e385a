// Carries a schedule's faults out while the run goes on, and keeps it coordinated: by this process, or by one that a fault
// kills, after which this one attaches.

import { setTimeout as sleep } from "node:timers/promises";
import type { RunSummary } from "../../src/run/records.ts";
import type { Cluster } from "./cluster.ts";
import { attach, coordinate, type CoordinatorJob, startCoordinator } from "./coordinator.ts";
import type { Progress } from "./progress.ts";
import type { Fault, Schedule } from "./schedule.ts";

type CoordinatorFault = Extract<Fault, { readonly kind: "coordinator-killed" }>;
type ClusterFault = Exclude<Fault, CoordinatorFault>;

export class Striker {
  /** The run's end, as a coordinator sees it that lives then. */
  readonly summary: Promise<RunSummary>;
  /** Faults that found what they were to strike, so far. */
  readonly struck: Fault[] = [];
  readonly #cluster: Cluster;
  readonly #progress: Progress;
  readonly #stop = new AbortController();
  readonly #strikes: Promise<void>;

  constructor({ faults }: Schedule, cluster: Cluster, job: CoordinatorJob, progress: Progress) {
    this.#cluster = cluster;
    this.#progress = progress;
    const deadly = faults.find((fault) => fault.kind === "coordinator-killed");
    this.summary = deadly === undefined ? coordinate(job) : this.#killAndAttach(job, deadly);
    const others = faults.filter((fault): fault is ClusterFault => fault.kind !== "coordinator-killed");
    this.#strikes = Promise.all(others.map((fault) => this.#strike(fault))).then(() => undefined);
  }

  /** No fault strikes any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#strikes;
  }

  async #killAndAttach(job: CoordinatorJob, fault: CoordinatorFault): Promise<RunSummary> {
    const coordinator = startCoordinator(job);
    const over = new AbortController();
    void coordinator.ended.then(() => over.abort());
    if (await this.#due(fault, AbortSignal.any([over.signal, this.#stop.signal]))) {
      coordinator.kill();
      this.struck.push(fault);
      await sleep(fault.forMs);
    }
    return (await coordinator.ended) ?? attach(job);
  }

  async #strike(fault: ClusterFault): Promise<void> {
    if (!(await this.#due(fault, this.#stop.signal))) return;
    if (await this.#cluster.strike(fault)) this.struck.push(fault);
  }

  /** Whether its time has come before `signal` was aborted. */
  async #due({ step, afterMs }: Fault, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#progress.reach(step, signal);
      await sleep(afterMs, undefined, { signal });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  }
}
