// How `sltrain data transform` shows its way: one line that follows it on a terminal, and a summary.

import { createLogUpdate } from "log-update";
import type { TransformedData, TransformProgress } from "../coordinator/transform-data.ts";
import { counted, formatBytes, formatCount, formatDuration } from "../units.ts";
import { storedBytes } from "./data-table.ts";
import { manifestReport, rowsLine, trainLine } from "./import-summary.ts";
import { costText } from "./summary-lines.ts";

const INTERVAL_MS = 100;

export interface TransformView {
  progress(progress: TransformProgress): void;
  /** Takes the line away. */
  end(): void;
}

/** Nothing where no person looks on. */
export function transformView(stream: NodeJS.WriteStream): TransformView {
  if (!stream.isTTY) return { progress: () => undefined, end: () => undefined };
  const update = createLogUpdate(stream);
  let shownMs = -INTERVAL_MS;
  return {
    progress({ measuredFor, rows, allRows, functions, elapsedMs }) {
      if (elapsedMs - shownMs < INTERVAL_MS) return;
      shownMs = elapsedMs;
      const doing = measuredFor === undefined ? "mapping" : `measuring for ${measuredFor}`;
      const who = functions === undefined ? "" : `, ${counted(functions, "function")}`;
      update(
        `${doing}  ${formatCount(rows)} of ${counted(allRows, "row")}${who}, ${formatDuration(elapsedMs)}`,
      );
    },
    end: () => update.clear(),
  };
}

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
