// "Did you mean …?": the known name that a misspelt one was meant to be.

import { closest, distance } from "fastest-levenshtein";

/**
 * The nearest of `names`, cases aside, or undefined if none is near: at most one edit for each three letters or
 * part of them, beyond which a guess misleads.
 */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const lower = names.map((known) => known.toLowerCase());
  const near = closest(name.toLowerCase(), lower);
  if (distance(name.toLowerCase(), near) > Math.ceil(near.length / 3)) return undefined;
  return names[lower.indexOf(near)];
}
