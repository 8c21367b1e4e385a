// What `sltrain data import` says when it is done.

import type { ImportedData } from "../coordinator/import-data.ts";
import type { DataManifest } from "../data/manifest.ts";
import { counted, formatBytes, formatCount, formatDuration } from "../units.ts";
import { featuresText, storedBytes, taskText } from "./data-table.ts";

export function importSummary(imported: ImportedData): string {
  const { name, trainWith, manifest, wasThere, sourceBytes, elapsedMs } = imported;
  // A small file says nothing of the pace.
  const pace = sourceBytes < 1e6 ? "" : `, ${(sourceBytes / 1e3 / elapsedMs).toFixed(0)} MB/s`;
  const origin = sourceBytes === 0 ? "made" : `${formatBytes(sourceBytes)} read`;
  return [
    rowsLine(name, manifest),
    ...(manifest.skippedRecords > 0
      ? [`left out: ${counted(manifest.skippedRecords, "record")} that could not be read`]
      : []),
    wasThere
      ? "it was there: the same content, read the same way"
      : `${origin} in ${formatDuration(elapsedMs)}${pace}; ${formatBytes(storedBytes(manifest))} stored`,
    trainLine(trainWith),
  ].join("\n");
}

export function rowsLine(name: string, manifest: DataManifest): string {
  const { counts, featureShape, featureType, task, classes } = manifest;
  return (
    `${name}: ${counted(counts.train, "row")} to train on, ${formatCount(counts.validation)} to validate on, ` +
    `${featuresText(featureShape, featureType)} features, ${taskText(task, classes)}`
  );
}

export function trainLine(name: string): string {
  return `train on it: sltrain train --data ${name}`;
}

/** What `data import --json` prints. */
export function importReport({ name, manifest, ...about }: ImportedData): object {
  return { ...about, ...manifestReport(name, manifest) };
}

export function manifestReport(name: string, manifest: DataManifest): object {
  const { blocks, ...facts } = manifest;
  return {
    storedBytes: storedBytes(manifest),
    blocks: { train: blocks.train.length, validation: blocks.validation.length },
    ...{ ...facts, name },
  };
}
