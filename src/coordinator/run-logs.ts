// What a run's functions printed, line by line, each with its worker.

import { parseOwnerLine, type LogOwner } from "../run/log-line.ts";
import type { LogLine, Provider } from "./provider.ts";

export interface RunLogLine extends LogLine {
  /** Undefined for a function that ended before it could tell whose it was. */
  readonly owner: LogOwner | undefined;
}

export interface RunLogQuery {
  readonly provider: Provider;
  readonly runId: string;
  /** Default: all ranks, and starters. */
  readonly rank?: number;
  readonly since: Date;
  readonly follow?: AbortSignal;
}

/** Lines of other runs' functions are left out. */
export async function* runLogs({
  provider,
  runId,
  rank,
  since,
  follow,
}: RunLogQuery): AsyncGenerator<RunLogLine> {
  const owners = new Map<string, LogOwner>();
  for await (const line of provider.logs({ since, ...(follow && { follow }) })) {
    const { requestId = "", text } = line;
    const told = parseOwnerLine(text);
    if (told) owners.set(requestId, told);
    const owner = owners.get(requestId);
    if (owner !== undefined && owner.runId !== runId) continue;
    if (rank !== undefined && owner?.rank !== rank) continue;
    yield { ...line, owner };
  }
}
