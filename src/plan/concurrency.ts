// How many workers an account's concurrent executions are enough for: a worker and its successor, or whoever comes in the
// place of a frozen one, may overlap, so each needs two, and whoever starts them one.

const EXECUTIONS_PER_WORKER = 2;
const STARTERS = 1;

/** Executions that a run of `workers` may need at once; those of one function's lifetime need no successors. */
export function executionsOf(workers: number): number {
  return workers * EXECUTIONS_PER_WORKER + STARTERS;
}

/** The most workers that can always hand over; 0 if not even one can. */
export function workersWithin(executions: number): number {
  return Math.max(0, Math.floor((executions - STARTERS) / EXECUTIONS_PER_WORKER));
}
