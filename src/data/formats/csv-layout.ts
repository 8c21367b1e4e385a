// What a table's first lines say of it: what separates columns, whether there is a header, which column is the label, and
// which columns hold text. By these rules a plain export of a spreadsheet or of scikit-learn works as it is.

import { SltrainError } from "../../errors.ts";
import { nearestName } from "../../nearest-name.ts";
import type { ReadOptions } from "../format.ts";
import { cellsOf } from "./csv-cells.ts";
import { announcedLabel, LABEL_NAME } from "./table-columns.ts";
import { BadRecord } from "./text-records.ts";

/** Of several that fit equally well, the first: a comma stands in numbers and in texts, a tab in neither. */
const SEPARATORS = ["\t", ";", ","] as const;
/** These names announce classes; under other names, numbers that cannot be classes are regression targets. */
const CLASS_NAME = /^(label|class)$/i;
/** Records that are looked at: a column of text among them holds text. */
const SAMPLE_RECORDS = 200;

export interface CsvLayout {
  readonly separator: number;
  readonly hasHeader: boolean;
  /** The header's, or the columns' numbers from 1. */
  readonly names: readonly string[];
  /** -1 where a table is read for its features alone. */
  readonly label: number;
  /** Whether the label's column is called so that it must hold classes. */
  readonly namedClass: boolean;
  /** By column; all false unless text is hashed. */
  readonly isText: readonly boolean[];
}

export interface LayoutOptions extends Pick<ReadOptions, "labelColumn" | "hashBits"> {
  /** For predictions: so many feature columns, with or without a label beside them. */
  readonly expectedFeatures?: number | undefined;
}

/**
 * The layout by the records at `at`, of bytes that end with a newline at `limit`; undefined if the first record goes on.
 * @throws SltrainError "data-columns" naming the file.
 */
export function layoutOf(
  bytes: Uint8Array,
  at: number,
  limit: number,
  path: string,
  options: LayoutOptions,
): CsvLayout | undefined {
  const separator = separatorOf(bytes, at, limit);
  const sample = sampleOf(bytes, at, limit, separator);
  const first = sample[0];
  if (!first) return undefined;
  const hasText = options.hashBits !== undefined;
  const byName = labelByName(options.labelColumn);
  const numbered =
    byName === undefined && options.labelColumn !== undefined ? Number(options.labelColumn) : -1;
  const hasHeader = byName !== undefined || isHeader(first, numbered, hasText);
  const width = first.length;
  const names = hasHeader ? first : first.map((_, c) => String(c + 1));
  const label = labelOf(first, hasHeader, path, options);
  const records = hasHeader ? sample.slice(1) : sample;
  return {
    separator,
    hasHeader,
    names,
    label,
    namedClass: label >= 0 && CLASS_NAME.test(names[label]!),
    isText: Array.from(
      { length: width },
      (_, c) => hasText && c !== label && records.some((r) => isText(r[c])),
    ),
  };
}

/** A label column that is no number is a name, and asks for a header. */
function labelByName(labelColumn: string | undefined): string | undefined {
  return labelColumn === undefined || /^\d+$/.test(labelColumn) ? undefined : labelColumn;
}

function isText(cell: string | undefined): boolean {
  return cell !== undefined && cell !== "" && Number.isNaN(Number(cell));
}

/**
 * A first record is a header if it holds a label's name, or something that is no number in any column but the label's.
 * Where columns hold text, that says nothing: then it is one if nothing in it is a number.
 */
function isHeader(first: readonly string[], label: number, hasText: boolean): boolean {
  if (first.some((cell) => LABEL_NAME.test(cell))) return true;
  if (hasText) return first.every((cell) => cell !== "" && isText(cell));
  const exempt = label < 0 ? first.length - 1 : label;
  return first.some((cell, c) => c !== exempt && Number.isNaN(Number(cell)));
}

function labelOf(
  first: readonly string[],
  hasHeader: boolean,
  path: string,
  { labelColumn, expectedFeatures }: LayoutOptions,
): number {
  const width = first.length;
  if (expectedFeatures !== undefined) {
    if (width === expectedFeatures) return -1;
    if (width !== expectedFeatures + 1) {
      throw new SltrainError({
        code: "data-columns",
        message: `${path}: expected ${expectedFeatures} feature columns, or ${expectedFeatures + 1} with a label, got ${width}`,
        suggestions: ["Give the columns that the model was trained on, in their order."],
      });
    }
  }
  if (width < 2) {
    throw new SltrainError({
      code: "data-columns",
      message: `${path}: expected features and a label, at least 2 columns, got ${width}`,
      suggestions: ["Separate columns by comma, semicolon or tab."],
    });
  }
  if (labelColumn === undefined) {
    const named = hasHeader ? announcedLabel(first) : -1;
    return named >= 0 ? named : width - 1;
  }
  const name = labelByName(labelColumn);
  if (name === undefined) {
    const column = Number(labelColumn);
    if (column < width) return column;
    throw noSuchColumn(path, `a label column of 0..${width - 1}`, labelColumn, []);
  }
  const column = first.indexOf(name);
  if (column >= 0) return column;
  throw noSuchColumn(path, `a header with a column "${name}"`, first.slice(0, 20).join(", "), [
    nearestName(name, first),
  ]);
}

function noSuchColumn(
  path: string,
  expected: string,
  got: string,
  near: readonly (string | undefined)[],
): SltrainError {
  return new SltrainError({
    code: "data-columns",
    message: `${path}: expected ${expected}, got ${got}`,
    suggestions: [
      ...near.filter((name) => name !== undefined).map((name) => `Did you mean --label-column ${name}?`),
      "Name the label's column by the header's name for it, or by its number from 0: --label-column 0.",
    ],
  });
}

/** What cuts most of the first records into the same number of cells, and into the most. */
function separatorOf(bytes: Uint8Array, at: number, limit: number): number {
  const scores = SEPARATORS.map((character) => {
    const separator = character.charCodeAt(0);
    const widths = sampleOf(bytes, at, limit, separator).map((cells) => cells.length);
    const width = widths[0] ?? 1;
    const agreeing = widths.filter((w) => w === width).length / Math.max(1, widths.length);
    return { separator, score: width < 2 ? 0 : agreeing * 1e6 + width };
  });
  const best = scores.reduce((a, b) => (b.score > a.score ? b : a));
  return best.score === 0 ? ",".charCodeAt(0) : best.separator;
}

/** The first records that are not empty, as far as they can be read. */
function sampleOf(bytes: Uint8Array, begin: number, limit: number, separator: number): (readonly string[])[] {
  const sample: (readonly string[])[] = [];
  let at = begin;
  while (at < limit && sample.length < SAMPLE_RECORDS) {
    let record;
    try {
      record = cellsOf(bytes, at, limit, separator);
    } catch (error) {
      // Whoever reads the rows says what is wrong with this one.
      if (error instanceof BadRecord) break;
      throw error;
    }
    if (!record) break;
    if (record.cells.length > 1 || record.cells[0] !== "") sample.push(record.cells);
    at = record.next;
  }
  return sample;
}
