// How long a silence is a death, by how long functions live: whoever misses a dead one has to notice that, and to see it
// replaced, within its own life.

/** Of a function's life: a rescuer starts, needs two leases to be sure (worker/rescue.ts), and hands over. */
const LONGEST_SHARE = 1 / 4;
const USUAL_SHARE = 1 / 6;

/** `leaseMs` where nobody says otherwise: `usualMs`, or what functions that live for `timeoutS` have time for. */
export function leaseWithin(timeoutS: number, usualMs: number): number {
  return Math.min(usualMs, Math.floor(USUAL_SHARE * timeoutS * 1000));
}

/** The most that `leaseMs` may be. */
export function longestLeaseMs(timeoutS: number): number {
  return Math.floor(LONGEST_SHARE * timeoutS * 1000);
}
