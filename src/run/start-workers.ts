// The start of a crew: each rank's first generation summoned, by one caller or by a tree of starter functions, so that
// hundreds do not wait for one caller's invocations (a starter function is LambdaML's; Jiang et al. 2021, section 3.1).

import type { Functions } from "../functions/functions.ts";
import type { Storage } from "../storage/storage.ts";
import type { StarterEvent, WorkerEvent } from "./records.ts";
import { summon } from "./summons.ts";

/** Functions that one starter invokes, all at once. */
export const STARTER_FAN_OUT = 16;

export interface StartOptions {
  readonly storage: Storage;
  readonly functions: Functions;
  /** Whose ranks, and which. */
  readonly event: StarterEvent;
  readonly by: string;
}

/** Summons all ranks by itself. Throws the first refusal after all have been tried. */
export async function startWorkers({ storage, functions, event, by }: StartOptions): Promise<void> {
  const { ranks, kind: _, ...crew } = event;
  const started = rangesOf(ranks, ranks[1] - ranks[0]).map(([rank]) => {
    const worker: WorkerEvent = { ...crew, kind: "worker", rank, generation: 0, reason: "start" };
    return summon({ storage, functions, event: worker, by, step: 0 });
  });
  throwFirst(await Promise.allSettled(started));
}

/** What a starter function does: summons its ranks, or has further starters do that for parts of them. */
export async function startByStarters(options: StartOptions): Promise<void> {
  const { functions, event } = options;
  const count = event.ranks[1] - event.ranks[0];
  if (count <= STARTER_FAN_OUT) return startWorkers(options);
  const parts = Math.min(STARTER_FAN_OUT, Math.ceil(count / STARTER_FAN_OUT));
  const invoked = rangesOf(event.ranks, parts).map((ranks) => functions.invoke({ ...event, ranks }));
  throwFirst(await Promise.allSettled(invoked));
}

/** [begin, end) as `parts` ranges, nearly equally long. */
function rangesOf([begin, end]: StarterEvent["ranks"], parts: number): [begin: number, end: number][] {
  const at = (part: number): number => begin + Math.floor(((end - begin) * part) / parts);
  return Array.from({ length: parts }, (_, part) => [at(part), at(part + 1)]);
}

function throwFirst(outcomes: readonly PromiseSettledResult<unknown>[]): void {
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
}
