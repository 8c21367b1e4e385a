// The bench of data as tables for people.

import { drawTable } from "../../src/ui/table.ts";
import { formatBytes, formatCount } from "../../src/units.ts";
import { formatMachine } from "../machine.ts";
import type { DataReport } from "./bench-data.ts";
import type { ParseRow } from "./parse.ts";
import type { StoreRow } from "./store.ts";

const right = { align: "right" } as const;

export function dataTables({ machine, parse, store }: DataReport): string {
  return [
    formatMachine(machine),
    "MB/s are per second of one core's time",
    "",
    drawTable(
      [
        { header: "text", whole: true },
        { header: "rows", ...right },
        { header: "MB/s", ...right },
        { header: "split", ...right },
        { header: "× split", ...right },
        { header: "csv-parse", ...right },
        { header: "× csv-parse", ...right },
        { header: "" },
      ],
      parse.map(parseCells),
    ),
    "",
    drawTable(
      [
        { header: "file", whole: true },
        { header: "size", ...right },
        { header: "in memory", ...right },
        { header: "stored", ...right },
        { header: "import MB/s", ...right },
        { header: "by the clock", ...right },
        { header: "load MB/s", ...right },
      ],
      store.map(storeCells),
    ),
  ].join("\n");
}

function parseCells(row: ParseRow): string[] {
  const orDash = (value: number | null, digits: number) => (value === null ? "-" : value.toFixed(digits));
  return [
    row.name,
    formatCount(row.rows),
    row.mbPerS.toFixed(0),
    row.splitMbPerS.toFixed(0),
    row.vsSplit.toFixed(1),
    orDash(row.csvParseMbPerS, 0),
    orDash(row.vsCsvParse, 1),
    row.description,
  ];
}

function storeCells(row: StoreRow): string[] {
  return [
    row.name,
    formatBytes(row.sizeBytes),
    formatBytes(row.rowsBytes),
    formatBytes(row.storedBytes),
    row.importMbPerS.toFixed(0),
    row.importMbPerWallS.toFixed(0),
    row.loadMbPerS.toFixed(0),
  ];
}
