// What `sltrain data export` tells when it is done.

import type { ExportedData } from "../coordinator/export-data.ts";
import { counted, formatBytes, formatDuration } from "../units.ts";

/** So many classes are told by name. */
const NAMED = 20;

export function exportSummary({ paths, rows, bytes, elapsedMs, numberedClasses }: ExportedData): string {
  const written = `${paths.join(", ")}: ${counted(rows, "row")}, ${formatBytes(bytes)} in ${formatDuration(elapsedMs)}`;
  if (!numberedClasses) return written;
  const classes = numberedClasses.slice(0, NAMED).map((name, index) => `${index} ${name}`);
  return `${written}\nclasses: ${classes.join(", ")}${numberedClasses.length > NAMED ? ", …" : ""}`;
}
