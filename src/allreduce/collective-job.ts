// The collective of a run by plain data, which any thread can open it from.

import type { Collective } from "./collective.ts";
import { type CompressedOptions, openCompressed, parseCompression } from "./compression.ts";
import type { OnLate } from "./frame-coder.ts";
import { closeMedium, type Medium, openMedium } from "./medium.ts";
import { parseReduce } from "./patterns/index.ts";

export interface CollectiveJob extends Omit<
  CompressedOptions,
  "channel" | "reduce" | "compression" | "onLate"
> {
  /** The URI of what carries frames. */
  readonly channel: string;
  /** As users write them. */
  readonly reduce: string;
  readonly compress: string;
}

export interface OpenedJob {
  readonly collective: Collective;
  /** Absent if another thread has it. Its meter counts all that use it. */
  readonly medium?: Medium;
  /** Closes both. */
  readonly close: () => Promise<void>;
}

/** Credentials come from `env`. Throws what `openMedium` and `openCollective` throw. */
export async function openJob(
  { channel: uri, reduce, compress, ...options }: CollectiveJob,
  env: NodeJS.ProcessEnv,
  onLate?: OnLate,
): Promise<OpenedJob> {
  const medium = await openMedium(uri, env);
  const collective = await openCompressed({
    ...{ ...options, channel: medium, ...(onLate && { onLate }) },
    ...{ reduce: parseReduce(reduce), compression: parseCompression(compress) },
  });
  return {
    ...{ collective, medium },
    async close() {
      await collective.close();
      await closeMedium(medium);
    },
  };
}
