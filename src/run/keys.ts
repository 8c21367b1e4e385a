// Where a run keeps what: all keys of one run begin with `runs/<id>/`, its frames' with `<digit>/frames/<id>/`, so that two
// runs in one storage never meet.

import { framePrefixes } from "../allreduce/keys.ts";

export interface RunKeys {
  readonly manifest: string;
  /** Metrics as JSON lines, one per finished epoch; rewritten whole, so that it is valid at any moment. */
  readonly metrics: string;
  /** Its presence asks the workers to stop. */
  readonly stop: string;
  /** How many workers somebody wants the run to have. */
  readonly resize: string;
  /** How the run ended, as the user saw it: one of the two, or neither while it goes on. */
  readonly summary: string;
  readonly failure: string;
  readonly model: string;
  /** That of the best epoch, where the newest is another. */
  readonly bestModel: string;
  /** On the way, of a run that trains the end of a model alone: that end of the best epoch's. */
  readonly bestHead: string;
  readonly topology: string;
  /** Written and deleted again to see whether a store takes anything. */
  readonly probe: string;
  /** Folders of what ends with the run. */
  readonly frames: readonly string[];
  readonly checkpoints: string;
  readonly attempts: string;
  readonly membership: string;
  readonly leases: string;
  readonly heartbeats: string;
  readonly starters: string;
  readonly summonses: string;
  readonly handovers: string;
  readonly results: string;
  readonly failures: string;
  attempt(attempt: number): string;
  /** How many workers the run has from that step on. */
  members(fromStep: number): string;
  /** The state that all ranks share, or one rank's own. */
  checkpoint(step: number, part: "shared" | number): string;
  /** Folders of what all generations of a rank have. */
  leasesOf(attempt: number, rank: number): string;
  summonsesOf(attempt: number, rank: number): string;
  handoversOf(attempt: number, rank: number): string;
  /** Of one generation of a rank: who acts as it, */
  lease(attempt: number, rank: number, generation: number): string;
  /** where it is, */
  heartbeat(attempt: number, rank: number, generation: number): string;
  /** who starts it, once for each try, */
  summons(attempt: number, rank: number, generation: number, tryNumber: number): string;
  /** and the state that it left for the next. */
  handover(attempt: number, rank: number, generation: number): string;
  /** What one that starts others was billed for. */
  starter(attempt: number, id: string): string;
  /** Equal for all generations of a rank. */
  result(attempt: number, rank: number): string;
  workerFailure(attempt: number, rank: number): string;
}

export function runKeys(runId: string): RunKeys {
  const prefix = `runs/${runId}/`;
  const checkpoints = `${prefix}checkpoints/`;
  const attempts = `${prefix}attempts/`;
  const membership = `${prefix}members/`;
  const leases = `${prefix}leases/`;
  const heartbeats = `${prefix}heartbeats/`;
  const starters = `${prefix}starters/`;
  const summonses = `${prefix}summons/`;
  const handovers = `${prefix}handovers/`;
  const results = `${prefix}results/`;
  const failures = `${prefix}failures/`;
  return {
    ...{
      checkpoints,
      attempts,
      membership,
      leases,
      heartbeats,
      starters,
      summonses,
      handovers,
      results,
      failures,
    },
    manifest: `${prefix}manifest.json`,
    metrics: `${prefix}metrics.jsonl`,
    stop: `${prefix}stop.json`,
    resize: `${prefix}resize.json`,
    summary: `${prefix}summary.json`,
    failure: `${prefix}failure.json`,
    model: `${prefix}model.safetensors`,
    bestModel: `${prefix}best.safetensors`,
    bestHead: `${prefix}best-head.safetensors`,
    topology: `${prefix}model.json`,
    probe: `${prefix}probe`,
    frames: framePrefixes(runId),
    attempt: (attempt) => `${attempts}${attempt}.json`,
    members: (fromStep) => `${membership}${ordered(fromStep)}.json`,
    checkpoint: (step, part) => `${checkpoints}${ordered(step)}/${part}.safetensors`,
    leasesOf: (attempt, rank) => `${leases}${attempt}/${rank}/`,
    summonsesOf: (attempt, rank) => `${summonses}${attempt}/${rank}/`,
    handoversOf: (attempt, rank) => `${handovers}${attempt}/${rank}/`,
    lease: (attempt, rank, generation) => `${leases}${attempt}/${rank}/${generation}.json`,
    heartbeat: (attempt, rank, generation) => `${heartbeats}${attempt}/${rank}/${generation}.json`,
    summons: (attempt, rank, generation, tryNumber) =>
      `${summonses}${attempt}/${rank}/${generation}-${tryNumber}.json`,
    handover: (attempt, rank, generation) => `${handovers}${attempt}/${rank}/${generation}.safetensors`,
    starter: (attempt, id) => `${starters}${attempt}/${id}.json`,
    result: (attempt, rank) => `${results}${attempt}/${rank}.json`,
    workerFailure: (attempt, rank) => `${failures}${attempt}/${rank}.json`,
  };
}

/** The lexicographic order of a listing is the order of the steps. */
function ordered(step: number): string {
  return String(step).padStart(9, "0");
}
