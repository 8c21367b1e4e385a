// Read-backs of a run in the order in which they fall due.

import type { ReadBack } from "./device.ts";

/** What falls due after one instruction, in the order given. */
export interface DueReadBacks {
  readonly after: number;
  readonly readBacks: readonly ReadBack[];
}

export function byInstruction(readBacks: readonly ReadBack[]): readonly DueReadBacks[] {
  return [...Map.groupBy(readBacks, ({ after }) => after)]
    .sort(([a], [b]) => a - b)
    .map(([after, due]) => ({ after, readBacks: due }));
}

/** Tells all of them; a promise only if one of them wants to be waited for. */
export function tell({ readBacks }: DueReadBacks): Promise<unknown> | undefined {
  const pending = readBacks.map(({ ready }) => ready?.()).filter((promise) => promise !== undefined);
  return pending.length > 0 ? Promise.all(pending) : undefined;
}
