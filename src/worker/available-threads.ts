// How many threads a function may keep busy, and what with.

import { availableParallelism } from "node:os";
import type { TrainConfig } from "../config/schema.ts";
import { vcpusOf } from "../plan/function-memory.ts";

export interface ThreadsQuestion {
  /** Of the run; on one machine they share its cores. */
  readonly workers: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of this machine or container. Default: what the process may use by affinity and cgroup quota. */
  readonly cores?: number;
}

/** Whole vCPUs of this function, at least 1: a part of one is no help to a second thread. */
export function availableThreads({ workers, env, cores = availableParallelism() }: ThreadsQuestion): number {
  const lambdaMb = Number(env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] ?? 0);
  const vcpus = lambdaMb > 0 ? vcpusOf(lambdaMb) : cores / workers;
  return Math.max(1, Math.min(cores, Math.floor(vcpus)));
}

export interface ThreadPlan {
  /** Threads that share the kernels, the main one included. */
  readonly compute: number;
  /** Whether another one exchanges beside them. */
  readonly io: boolean;
}

/** By itself the exchange gets a thread where a vCPU is left for it. The log of updates without lockstep has none. */
export function planThreads(
  { workers, threads, ioThread }: Pick<TrainConfig, "workers" | "threads" | "ioThread">,
  { lockstep, available }: { readonly lockstep: boolean; readonly available: number },
): ThreadPlan {
  const compute = threads ?? available;
  const wanted = ioThread === "auto" ? workers > 1 && available > compute : ioThread === "on";
  return { compute, io: lockstep && wanted };
}
