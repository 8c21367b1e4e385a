// A rank in a process of its own: started by rank-group.ts, it answers calls over IPC and ends with its parent.

import { errorRecord } from "../../src/errors.ts";
import { Rank } from "./rank.ts";

export interface Call {
  readonly method: keyof Rank;
  readonly argument: unknown;
}

export type Answer = { readonly value: unknown } | { readonly error: ReturnType<typeof errorRecord> };

const rank = new Rank();

process.on("message", ({ method, argument }: Call) => {
  const work = rank[method].bind(rank) as (argument: unknown) => Promise<unknown>;
  work(argument).then(
    (value) => answer({ value }),
    (error: unknown) => answer({ error: errorRecord(error, "bench-rank-failed") }),
  );
});
process.on("disconnect", () => process.exit());

function answer(message: Answer): void {
  process.send?.(message);
}
