// Rows of a table, a window of lines at a time: its first record, or who saw it, says how the table is laid out.

import type { RowBlock, RowFacts } from "../rows.ts";
import type { BlockMemory } from "../threads/block-memory.ts";
import { CellReader, cellsOf } from "./csv-cells.ts";
import { type CsvLayout, layoutOf, type LayoutOptions } from "./csv-layout.ts";
import { DenseCsvRows } from "./csv-rows.ts";
import { HashedCsvRows } from "./hashed-csv-rows.ts";
import { LabelColumn, type SeenLabels } from "./labels.ts";
import {
  BadRecord,
  CARRIAGE_RETURN,
  endOfLine,
  NEWLINE,
  shown,
  SPACE,
  type RecordParser,
} from "./text-records.ts";

/** What a window says of its file. */
export interface CsvFacts {
  readonly labels: SeenLabels;
}

export class CsvParser implements RecordParser<CsvFacts> {
  line = 1;
  readonly #path: string;
  readonly #options: LayoutOptions;
  /** Of a window: how many a file may have, who joins them knows. */
  readonly #labels = new LabelColumn(Infinity);
  #labelValues = new Float64Array(1024);
  #rows = 0;
  #open: OpenTable | undefined;
  #reserved = 0;

  /** @param layout of a table whose first record lies before what is to be parsed */
  constructor(path: string, options: LayoutOptions, layout?: CsvLayout) {
    this.#path = path;
    this.#options = options;
    if (layout) this.#open = this.#openWith(layout);
  }

  /** Undefined before the first record. */
  get layout(): CsvLayout | undefined {
    return this.#open?.layout;
  }

  shape(): Pick<RowFacts, "featureType" | "featureNames"> & { readonly width: number } {
    const rows = this.#open?.rows;
    if (!rows) return { width: 1, featureType: "f32" };
    return {
      width: rows.width,
      featureType: rows.featureType,
      ...(rows.names && { featureNames: rows.names }),
    };
  }

  begin(textBytes: number, countsLabels: boolean): void {
    this.#labels.begin(countsLabels);
    this.#reserved = textBytes;
    this.#open?.rows.reserve(textBytes);
  }

  record(bytes: Uint8Array, begin: number, end: number): number {
    const at = skipBlanks(bytes, begin);
    if (bytes[at] === NEWLINE) {
      this.line++;
      return at + 1;
    }
    if (!this.#open) {
      const header = this.#openTable(bytes, begin, end);
      if (header !== 0) return header;
    }
    return this.#row(this.#open!, bytes, begin, end);
  }

  /** Where the rows begin behind a header, 0 if there is none, -1 if the first record goes on. */
  #openTable(bytes: Uint8Array, begin: number, end: number): number {
    const layout = layoutOf(bytes, begin, end, this.#path, this.#options);
    if (!layout) {
      // It is not closed, or something stands behind a closing quote: which of them, its cells say.
      cellsOf(bytes, begin, end, ",".charCodeAt(0));
      return -1;
    }
    this.#open = this.#openWith(layout);
    if (!layout.hasHeader) return 0;
    const { next } = cellsOf(bytes, begin, end, layout.separator)!;
    for (let at = begin; at < next; at++) if (bytes[at] === NEWLINE) this.line++;
    return next;
  }

  #openWith(layout: CsvLayout): OpenTable {
    const { hashBits } = this.#options;
    const rows = hashBits === undefined ? new DenseCsvRows(layout) : new HashedCsvRows(layout, hashBits);
    rows.reserve(this.#reserved);
    const { names, label, isText } = layout;
    const kinds = Uint8Array.from(names, (_, column) =>
      column === label ? LABEL : isText[column] === true ? TEXT : NUMBER,
    );
    return { layout, kinds, rows, cells: new CellReader(layout.separator) };
  }

  #row({ layout, kinds, rows, cells }: OpenTable, bytes: Uint8Array, begin: number, end: number): number {
    const { separator, label } = layout;
    const width = kinds.length;
    let at = begin;
    let labelAt = -1;
    cells.lines = 0;
    rows.beginRow();
    for (let column = 0; ; column++) {
      if (column >= width) throw this.#ragged(layout, bytes, begin, end);
      const kind = kinds[column]!;
      if (kind === NUMBER) {
        cells.single(bytes, at, end);
        const single = Math.fround(cells.value);
        // Not finite.
        if (single - single !== 0) rows.number(this.#missing(bytes, at, end, column));
        else rows.number(single);
      } else if (kind === TEXT) {
        const hashed = rows as HashedCsvRows;
        cells.stop = hashed.plainText(bytes, at, column);
        if (cells.stop < 0) {
          cells.find(bytes, at, end);
          if (cells.stop >= 0) hashed.text(bytes, cells.begin, cells.end, column);
        }
      } else {
        cells.find(bytes, at, end);
        labelAt = at;
      }
      if (cells.stop < 0) return -1;
      at = cells.stop;
      if (bytes[at++] !== separator) {
        if (column !== width - 1) throw this.#ragged(layout, bytes, begin, end);
        break;
      }
    }
    const lines = 1 + cells.lines;
    this.#addLabel(label < 0 ? 0 : this.#label(bytes, labelAt, end));
    rows.endRow();
    this.line += lines;
    return at;
  }

  /** 0 for a cell that is empty where text is hashed; elsewhere such a cell is as bad as one that is no number. */
  #missing(bytes: Uint8Array, at: number, end: number, column: number): number {
    const { cells, layout } = this.#open!;
    const hashes = this.#options.hashBits !== undefined;
    if (hashes && cells.stop === at) return 0;
    cells.find(bytes, at, end);
    if (cells.stop < 0) return 0;
    const text = cells.text(bytes);
    const isEmpty = text === "";
    if (isEmpty && hashes) return 0;
    const isWord = !isEmpty && Number.isNaN(Number(text)) && !hashes;
    throw new BadRecord(
      "data-nan",
      cells.begin,
      "a finite f32 number",
      shown(bytes, cells.begin, cells.end),
      isWord
        ? "Fill the value in, or have columns of text hashed into features: --hash-bits 18."
        : "Remove the record, or fill the value in.",
      layout.names[column],
    );
  }

  #label(bytes: Uint8Array, at: number, end: number): number {
    const { cells, layout } = this.#open!;
    const line = this.line;
    const value = cells.double(bytes, at, end);
    if (Number.isFinite(value)) return this.#labels.addNumber(value, line, () => cells.text(bytes));
    cells.find(bytes, at, end);
    const text = cells.text(bytes);
    const name = layout.names[layout.label]!;
    if (text === "" || /^(nan|[+-]?inf(inity)?)$/i.test(text) || !Number.isNaN(value)) {
      const got = shown(bytes, cells.begin, cells.end);
      throw new BadRecord(
        "data-label",
        cells.begin,
        "a label",
        got,
        "Fill the label in, or remove it.",
        name,
      );
    }
    return this.#labels.addName(text, line, `${this.#path}: column "${name}"`);
  }

  #addLabel(label: number): void {
    if (this.#rows === this.#labelValues.length) {
      const grown = new Float64Array(2 * this.#rows);
      grown.set(this.#labelValues);
      this.#labelValues = grown;
    }
    this.#labelValues[this.#rows++] = label;
  }

  #ragged({ names, separator }: CsvLayout, bytes: Uint8Array, begin: number, end: number): BadRecord {
    const got = cellsOf(bytes, begin, end, separator)?.cells.length ?? names.length + 1;
    const expected = `${names.length} columns, as in the first record`;
    const remedy = "Correct that line, or quote values that contain a separator.";
    return new BadRecord("data-ragged", begin, expected, String(got), remedy);
  }

  endOfBadRecord(bytes: Uint8Array, at: number, end: number): number {
    // A quote that is never closed would take all that follows with it.
    try {
      return cellsOf(bytes, at, end, this.#open?.layout.separator ?? 0)?.next ?? endOfLine(bytes, at, end);
    } catch (error) {
      if (error instanceof BadRecord) return endOfLine(bytes, at, end);
      throw error;
    }
  }

  takeFacts(): CsvFacts {
    return { labels: this.#labels.take() };
  }

  takeBlock(memory: BlockMemory): RowBlock | undefined {
    const count = this.#rows;
    if (count === 0) return undefined;
    this.#rows = 0;
    const labels = memory.copy(this.#labelValues, count);
    return { count, features: this.#open!.rows.takeFeatures(memory), labels };
  }
}

/** Of columns. */
const NUMBER = 0;
const TEXT = 1;
const LABEL = 2;

interface OpenTable {
  readonly layout: CsvLayout;
  /** By column. */
  readonly kinds: Uint8Array;
  readonly rows: DenseCsvRows | HashedCsvRows;
  readonly cells: CellReader;
}

function skipBlanks(bytes: Uint8Array, begin: number): number {
  let at = begin;
  while (bytes[at] === SPACE || bytes[at] === CARRIAGE_RETURN) at++;
  return at;
}
