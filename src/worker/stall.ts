// Whether the functions of a rank still get it on. A function's end proves nothing by itself: it may have waited for a peer
// that had died, or for a processor that others had. So a rank counts its functions that ended without one step more, in
// their heartbeats, and gives up only where none was ever finished and none could even compute its own part of it, or
// after so long that nobody should go on paying.

import { SltrainError } from "../errors.ts";
import { getJson } from "../run/json-object.ts";
import type { RankPlace } from "../run/observe-rank.ts";
import type { Heartbeat, Stall } from "../run/records.ts";
import { formatDuration } from "../units.ts";

/** Functions in a row that could not compute a rank's part of the run's first step. */
const MOST_SLOW = 10;
/** The life of functions in a row that waited in one step: twice what the longest-lived one has. */
const LONGEST_MS = 1_800_000;

export const NO_STALL: Stall = { step: 0, lives: 0, slow: 0 };

/** As it is when this generation begins, by its predecessor's last heartbeat. */
export async function stallBefore(of: RankPlace, generation: number): Promise<Stall> {
  if (generation === 0) return NO_STALL;
  const key = of.keys.heartbeat(of.attempt, of.rank, generation - 1);
  const before = await getJson<Heartbeat>(of.storage, key);
  return before === undefined ? NO_STALL : after(before);
}

/** As it is for whoever comes after a function that has ended so. */
function after({ step, computed, stall }: Pick<Heartbeat, "step" | "computed" | "stall">): Stall {
  if (step > stall.step) return { step, lives: 0, slow: 0 };
  return { step: stall.step, lives: stall.lives + 1, slow: computed ? 0 : stall.slow + 1 };
}

/** Throws SltrainError "timeout-too-short" or "run-stalled" if this function's end is one too many. */
export function refuseStall(
  ended: Pick<Heartbeat, "rank" | "step" | "computed" | "stall">,
  lifeMs: number,
): void {
  const { step, lives, slow } = after(ended);
  if (step === 0 && slow >= MOST_SLOW) {
    throw new SltrainError({
      code: "timeout-too-short",
      message: `worker ${ended.rank}: expected one of ${slow} functions to compute its part of step ${step} in its life of ${formatDuration(lifeMs)}, but none could`,
      suggestions: [
        "Use a longer --timeout-s, more --memory-mib, or fewer --workers where they share a processor.",
      ],
    });
  }
  if (lives < Math.max(MOST_SLOW, LONGEST_MS / lifeMs)) return;
  throw new SltrainError({
    code: "run-stalled",
    message: `worker ${ended.rank}: expected step ${step} to end, but ${lives} functions have waited in it, each for up to ${formatDuration(lifeMs)}`,
    suggestions: [
      "`sltrain runs logs` shows what its peers did meanwhile.",
      "The last checkpoint remains: `sltrain train --run-id` goes on from it.",
    ],
  });
}
