// What `ps serve` prints: a line when it listens, one for each run that comes or goes, one at the end.

import type { ServerEvent } from "../ps/serve.ts";
import { formatBytes, formatCount } from "../units.ts";

export function serverLine(event: ServerEvent): string {
  switch (event.event) {
    case "server.listening": {
      const token = event.token === undefined ? "" : `; for workers: SLTRAIN_PS_TOKEN=${event.token}`;
      return `${event.uri} listens, with ${formatBytes(event.memoryBytes)} of memory${token}`;
    }
    case "run.joined":
      return `${event.runId} began: ${event.workers} workers, at least ${formatBytes(event.neededBytes)}`;
    case "run.forgotten":
      return `${event.runId} ended`;
    case "server.stopped":
      return (
        `stopped after ${formatCount(event.framesIn)} frames, ` +
        `${formatBytes(event.bytesIn)} in, ${formatBytes(event.bytesOut)} out`
      );
  }
}
