// Aligned columns without lines around them, cut to the width of the terminal. Cells may carry colours.

import { stripVTControlCharacters, styleText } from "node:util";

export interface Column {
  readonly header: string;
  /** Numbers read best at the right. Default "left". */
  readonly align?: "left" | "right";
}

const GAP = "  ";
const MIN_COLUMN_WIDTH = 6;

/** Columns of the terminal behind `stream`; 80 where there is none (a pipe, a file) or it does not know (columns 0). */
export function terminalWidth(stream: { readonly columns?: number } = process.stdout): number {
  return stream.columns === undefined || stream.columns === 0 ? 80 : stream.columns;
}

/**
 * One line for the headers, one for each row, no newline at the end. Every row has one cell per column. If the rows
 * are wider than `width`, the widest columns lose their ends ("…") until they fit, down to six characters each.
 */
export function drawTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = terminalWidth(),
): string {
  const widths = columns.map((column, c) =>
    Math.max(...[column.header, ...rows.map((row) => row[c]!)].map(printedWidth)),
  );
  shrinkToFit(widths, width - GAP.length * (columns.length - 1));
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, c) => {
        const cell = cut(cells[c]!, widths[c]!);
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

function shrinkToFit(widths: number[], available: number): void {
  let excess = widths.reduce((sum, w) => sum + w, 0) - available;
  while (excess-- > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= MIN_COLUMN_WIDTH) return;
    widths[widest]!--;
  }
}

/** A cell that is too wide loses its colours together with its end. */
function cut(cell: string, width: number): string {
  if (printedWidth(cell) <= width) return cell;
  return (
    Array.from(stripVTControlCharacters(cell))
      .slice(0, width - 1)
      .join("") + "…"
  );
}
