// The data sets of a storage, one line each: as data for programs, as a table for people.

import { SHORT_ID_LENGTH, type StoredDataset } from "../data/catalogue.ts";
import type { DataManifest } from "../data/manifest.ts";
import type { Task } from "../data/dataset.ts";
import type { FeatureType } from "../data/rows.ts";
import { counted, formatBytes, formatCount } from "../units.ts";
import { drawTable } from "./table.ts";

/** What `data ls --json` prints of a data set. */
export interface DataRow {
  readonly id: string;
  readonly names: readonly string[];
  readonly source: string;
  readonly rows: number;
  readonly features: readonly number[];
  readonly featureType: FeatureType;
  readonly task: Task;
  readonly classes: number;
  readonly storedBytes: number;
  readonly runs: readonly string[];
}

export function dataRow({ manifest, names }: StoredDataset, runs: readonly string[]): DataRow {
  const { id, counts, featureShape, featureType, task, classes } = manifest;
  return {
    ...{ id, names: names.length > 0 ? names : [manifest.name], source: manifest.source },
    ...{ rows: counts.train + counts.validation, features: featureShape, featureType },
    ...{ task, classes, storedBytes: storedBytes(manifest), runs },
  };
}

export function storedBytes({ blocks }: DataManifest): number {
  return [...blocks.train, ...blocks.validation].reduce((sum, block) => sum + block.storedBytes, 0);
}

/** "784 u8", "28x28x1 u8", "47,236 csr". */
export function featuresText(shape: readonly number[], type: FeatureType): string {
  return `${shape.map(formatCount).join("x")} ${type}`;
}

export function taskText(task: Task, classes: number): string {
  if (task === "regression") return "targets";
  return task === "next-token" ? counted(classes, "token") : counted(classes, "class", "classes");
}

export function dataTable(rows: readonly DataRow[]): string {
  const right = { align: "right" } as const;
  const columns = [
    { header: "name", whole: true },
    { header: "id", whole: true },
    { header: "rows", ...right },
    { header: "features", ...right },
    { header: "labels" },
    { header: "stored", ...right },
    { header: "runs", ...right },
    { header: "source" },
  ];
  const cells = rows.map((row) => [
    row.names.join(", "),
    row.id.slice(0, SHORT_ID_LENGTH),
    formatCount(row.rows),
    featuresText(row.features, row.featureType),
    taskText(row.task, row.classes),
    formatBytes(row.storedBytes),
    formatCount(row.runs.length),
    row.source,
  ]);
  return drawTable(columns, cells);
}
