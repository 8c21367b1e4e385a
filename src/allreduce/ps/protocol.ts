// What the ranks of a run and its parameter servers say to each other: HTTP/1.1 with a bearer token, frames
// (shard/frame.ts) as bodies, errors as JSON. Both sides read this file; nothing else of the one is known to the other.
//
//   GET    /v1                                      what the server holds (`ServerReport`)
//   PUT    /v1/runs/RUN                             joins: a `RunDescription`; answers `Joined`
//   DELETE /v1/runs/RUN                             forgets the run
//   GET    /v1/runs/RUN/INCARNATION                 204 as long as the server remembers the run
//   PUT    …/INCARNATION/LANE/STEP/LEVEL/BUCKET/PIECE/RANK   a frame; 201 stored, 200 another one was first
//   GET    …/INCARNATION/LANE/STEP?rank=&durable=   the mean frames of the round, one after the other as they get ready
//   GET    …/INCARNATION/LANE/STEP/missing?rank=    whom the round waits for (`MissingPart[]`)

export const PROTOCOL_VERSION = 1;

/** Of a rank's own sums, and of means: levels of frames. */
export const SUM_LEVEL = 0;
export const MEAN_LEVEL = 1;

/** What a server adds for a run: it needs it before the first frame comes, and all ranks must say the same. */
export interface RunDescription {
  readonly version: number;
  readonly worldSize: number;
  /** Decides stochastic rounding. */
  readonly seed: number;
  /** The server's number among the run's servers; their mean frames carry `worldSize + server` as their rank. */
  readonly server: number;
  /** In the order of their numbers in frames. */
  readonly lanes: readonly LaneDescription[];
}

export interface LaneDescription {
  /** `Codec.id` and `Codec.parameter`, of sums and means. */
  readonly codec: number;
  readonly parameter: number;
  /** See `LaneOptions.apart`. */
  readonly apart: boolean;
  /** This server's pieces. */
  readonly pieces: readonly PieceDescription[];
}

export type PieceDescription = readonly [bucket: number, piece: number, elements: number];

export interface Joined {
  /** New whenever the server has lost what it knew of the run; a request with another one is answered "run-forgotten". */
  readonly incarnation: string;
}

/** A piece of a round without a mean, and the ranks whose sums have not come. */
export interface MissingPart {
  readonly bucket: number;
  readonly piece: number;
  readonly ranks: readonly number[];
}

export interface ServerReport {
  readonly version: number;
  readonly runs: number;
  /** Slots, accumulators and means of all runs. */
  readonly heldBytes: number;
  readonly limitBytes: number;
  /** Since the server was started. */
  readonly framesIn: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Codes of errors that a client acts upon; their meaning is one on both sides. */
export const RUN_FORGOTTEN = "run-forgotten";

const ROOT = `/v${PROTOCOL_VERSION}`;

export const paths = {
  root: ROOT,
  run: (runId: string) => `${ROOT}/runs/${encodeURIComponent(runId)}`,
  incarnation: (runId: string, incarnation: string) => `${paths.run(runId)}/${incarnation}`,
  round: (lane: number, step: number) => `/${lane}/${step}`,
} as const;
