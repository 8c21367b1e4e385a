// Where a frame lies. Every rank computes the keys of its peers: nobody lists, and a run id keeps runs apart.

import type { FrameStage } from "../shard/frame.ts";

export interface FrameAddress {
  readonly stage: FrameStage;
  readonly step: number;
  readonly bucket: number;
  readonly chunk: number;
  /** The writer: a contributor of a sum, the owner of a mean. */
  readonly rank: number;
}

/** All frames of a run lie under it; deleted as a whole when the run is over. */
export function framePrefix(runId: string): string {
  return `runs/${runId}/frames/`;
}

export function frameKey(runId: string, { stage, step, bucket, chunk, rank }: FrameAddress): string {
  return `${framePrefix(runId)}${stage}/${step}-${bucket}-${chunk}-${rank}`;
}
