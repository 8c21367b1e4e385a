// The runs of a storage, one line each: as data for programs, as a table for people.

import { statusOf, type StoredRun } from "../run/registry.ts";
import { formatDuration, formatPercent } from "../units.ts";
import { drawTable } from "./table.ts";

/** What `runs ls --json` prints of a run. */
export interface RunRow {
  readonly runId: string;
  readonly status: ReturnType<typeof statusOf>;
  readonly model: string;
  readonly data: string;
  readonly workers: number;
  readonly epochs: number;
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly wallMs: number | null;
  readonly createdAt: string;
}

export function runRow(run: StoredRun): RunRow {
  const { config, runId, createdAt } = run.manifest;
  const last = run.metrics.at(-1);
  return {
    runId,
    status: statusOf(run),
    model: config.model,
    data: config.data,
    workers: config.workers,
    epochs: run.metrics.length,
    loss: last?.loss ?? null,
    accuracy: run.summary?.accuracy ?? last?.accuracy ?? null,
    wallMs: run.summary?.wallMs ?? null,
    createdAt,
  };
}

export function runsTable(rows: readonly RunRow[]): string {
  const right = { align: "right" } as const;
  const columns = [
    { header: "run", whole: true },
    { header: "status", whole: true },
    { header: "model, data" },
    { header: "epochs", ...right },
    { header: "accuracy", ...right },
    { header: "time", ...right },
  ];
  const cells = rows.map((row) => [
    row.runId,
    row.status,
    `${row.model}, ${row.data}`,
    String(row.epochs),
    row.accuracy === null ? "-" : formatPercent(row.accuracy),
    row.wallMs === null ? "-" : formatDuration(row.wallMs),
  ]);
  return drawTable(columns, cells);
}
