// Where a frame lies. Every rank computes the keys of its peers: nobody lists, and a run id keeps runs apart. Keys begin
// with a digit of their hash, so that they spread over the partitions of a store that divides by prefix, as S3 does.

import { hashName } from "../random.ts";
import type { FrameAddress } from "../shard/frame.ts";

/** An object of frames; without `piece`, all that its writer publishes at the level. */
export type ObjectAddress = Omit<FrameAddress, "piece"> & { readonly piece?: number };

const DIGITS = 16;

/** All frames of a run lie under them; each ends in a slash. Deleted as folders when the run is over. */
export function framePrefixes(runId: string): string[] {
  return Array.from({ length: DIGITS }, (_, digit) => prefixOf(digit, runId));
}

export function frameKey(runId: string, address: ObjectAddress): string {
  const { lane, step, level, bucket, piece = "all", rank } = address;
  return spread(runId, `${lane}-${step}-${level}-${bucket}-${piece}-${rank}`);
}

/** Where readers ask `rank` for frames that the channel has lost. */
export function askKey(runId: string, rank: number): string {
  return spread(runId, `again-${rank}`);
}

function spread(runId: string, name: string): string {
  return prefixOf(hashName(name) % DIGITS, runId) + name;
}

function prefixOf(digit: number, runId: string): string {
  return `${digit.toString(DIGITS)}/frames/${runId}/`;
}
