// What `sltrain data transform` tells when it is done.

import type { TransformedData } from "../coordinator/transform-data.ts";
import { counted, formatBytes, formatDuration } from "../units.ts";
import { storedBytes } from "./data-table.ts";
import { manifestReport, rowsLine, trainLine } from "./import-summary.ts";
import { costText } from "./summary-lines.ts";

export function transformSummary({ name, manifest, wasThere, elapsedMs, use }: TransformedData): string {
  const stored = `${formatBytes(storedBytes(manifest))} stored`;
  return [
    rowsLine(name, manifest),
    wasThere
      ? `it was there: the same steps of the same data, ${stored}`
      : `made in ${formatDuration(elapsedMs)}, ${stored}`,
    ...(use
      ? [
          `${counted(use.lives, "invocation")} of functions` +
            (use.restarts > 0 ? `, ${counted(use.restarts, "restart")}` : ""),
          costText(use),
        ]
      : []),
    trainLine(name),
  ].join("\n");
}

/** What `data transform --json` prints. */
export function transformReport({ name, manifest, use, wasThere, elapsedMs }: TransformedData): object {
  return { ...manifestReport(name, manifest), wasThere, elapsedMs, ...use };
}
