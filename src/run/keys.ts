// Where a run keeps what: all keys of one run begin with `runs/<id>/`, so that two runs in one storage never meet.

export interface RunKeys {
  readonly prefix: string;
  readonly manifest: string;
  /** Metrics as JSON lines, one per finished epoch; rewritten whole, so that it is valid at any moment. */
  readonly metrics: string;
  /** Its presence asks the workers to stop. */
  readonly stop: string;
  /** How the run ended, as the user saw it. */
  readonly summary: string;
  readonly model: string;
  readonly topology: string;
  readonly checkpoints: string;
  /** Gradient frames of one attempt; a resumed run is a new attempt and never meets frames of an older one. */
  frames(attempt: number): string;
  attempt(attempt: number): string;
  checkpoint(step: number): string;
  heartbeat(attempt: number, rank: number): string;
  result(attempt: number, rank: number): string;
  failure(attempt: number, rank: number): string;
}

export function runKeys(runId: string): RunKeys {
  const prefix = `runs/${runId}/`;
  return {
    prefix,
    manifest: `${prefix}manifest.json`,
    metrics: `${prefix}metrics.jsonl`,
    stop: `${prefix}stop.json`,
    summary: `${prefix}summary.json`,
    model: `${prefix}model.safetensors`,
    topology: `${prefix}model.json`,
    checkpoints: `${prefix}checkpoints/`,
    frames: (attempt) => `${prefix}frames/${attempt}`,
    attempt: (attempt) => `${prefix}attempts/${attempt}.json`,
    // Zero-padded, so that the lexicographic order of a listing is the order of the steps.
    checkpoint: (step) => `${prefix}checkpoints/${String(step).padStart(9, "0")}.safetensors`,
    heartbeat: (attempt, rank) => `${prefix}heartbeats/${attempt}/${rank}.json`,
    failure: (attempt, rank) => `${prefix}failures/${attempt}/${rank}.json`,
    result: (attempt, rank) => `${prefix}results/${attempt}/${rank}.json`,
  };
}
