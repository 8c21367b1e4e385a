// Aligned columns without lines around them, cut to the width of the terminal. Cells may carry colours.

import { stripVTControlCharacters, styleText } from "node:util";

export interface Column {
  readonly header: string;
  /** Numbers read best at the right. Default "left". */
  readonly align?: "left" | "right";
  /** Never cut: names that people copy. */
  readonly whole?: boolean;
}

const GAP = "  ";
const MIN_COLUMN_WIDTH = 6;

/** Columns of the terminal behind `stream`; 80 where there is none (a pipe, a file) or it does not know (columns 0). */
export function terminalWidth(stream: { readonly columns?: number } = process.stdout): number {
  return stream.columns === undefined || stream.columns === 0 ? 80 : stream.columns;
}

/** A pipe or a file gets whole cells: programs read them. */
function tableWidth(): number {
  return process.stdout.isTTY ? terminalWidth() : Infinity;
}

/**
 * One line for the headers, one for each row, no newline at the end. Every row has one cell per column. If the rows
 * are wider than `width`, the widest columns lose their ends ("…") until they fit, down to six characters each.
 */
export function drawTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = tableWidth(),
): string {
  const widths = columns.map((column, c) =>
    Math.max(...[column.header, ...rows.map((row) => row[c]!)].map(printedWidth)),
  );
  shrinkToFit(columns, widths, width - GAP.length * (columns.length - 1));
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, c) => {
        const cell = cutTo(cells[c]!, widths[c]!);
        const padding = " ".repeat(widths[c]! - printedWidth(cell));
        return column.align === "right" ? padding + cell : cell + padding;
      })
      .join(GAP)
      .trimEnd();
  return [line(columns.map((column) => styleText("dim", column.header))), ...rows.map(line)].join("\n");
}

/** Columns that `text` takes, colours aside; every character counts as one (our cells are names, numbers and paths). */
export function printedWidth(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

function shrinkToFit(columns: readonly Column[], widths: number[], available: number): void {
  const cuttable = widths.flatMap((_, c) => (columns[c]!.whole === true ? [] : [c]));
  let excess = widths.reduce((sum, w) => sum + w, 0) - available;
  while (excess-- > 0) {
    const widest = cuttable.reduce((best, c) => (widths[c]! > widths[best]! ? c : best), cuttable[0] ?? 0);
    if (cuttable.length === 0 || widths[widest]! <= MIN_COLUMN_WIDTH) return;
    widths[widest]!--;
  }
}

/** What is too wide loses its colours together with its end. */
export function cutTo(cell: string, width: number): string {
  if (printedWidth(cell) <= width) return cell;
  return (
    Array.from(stripVTControlCharacters(cell))
      .slice(0, width - 1)
      .join("") + "…"
  );
}
