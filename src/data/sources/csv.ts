// CSV as a table: numeric feature columns and one label column. The header, the label column and the task are read off
// the content by the rules below, so that a plain export of a spreadsheet or of scikit-learn works as it is.

import { parse } from "csv-parse/sync";
import { SltrainError } from "../../errors.ts";
import type { Table } from "../dataset.ts";

/** A header's name for the label column; without one it is the last column. */
const LABEL_NAME = /^(label|target|class)$/i;
/** `y` is a label's name in tables that end or begin with it, and a coordinate's elsewhere. */
const LABEL_AT_AN_END = /^y$/i;
/** These names announce classes; under other names, numbers that cannot be classes are regression targets. */
const CLASS_NAME = /^(label|class)$/i;
/** Above it, integers are taken for quantities rather than for classes. */
const MAX_CLASSES = 1000;

interface Columns {
  readonly names: readonly string[];
  readonly label: number;
}

/**
 * Reads a CSV file: separated by comma, semicolon or tab; quotes, empty lines and a byte-order mark are fine.
 *
 * The first record is a header if it holds a label name, or something that is no number in any column but the last.
 * Labels: text gives classes in alphabetical order; integers of 0..999 give those classes; other numbers are regression
 * targets, unless the column is called `label` or `class`.
 * @throws SltrainError "data-ragged", "data-nan", "data-label", "data-columns" or "data-csv" naming line and column.
 */
export function readCsv(content: Uint8Array, path: string): Table {
  let columns: Columns | undefined;
  const rows = new FloatRows();
  const labels = new LabelColumn();

  const addRecord = (record: readonly string[], line: number): void => {
    if (!columns) {
      columns = columnsOf(record, path);
      if (isHeader(record)) return;
    }
    for (let c = 0; c < record.length; c++) {
      if (c === columns.label) labels.push(record[c]!, line);
      else rows.push(finiteNumber(record[c]!, () => `${path}: line ${line}, column "${columns!.names[c]}"`));
    }
  };
  parseRecords(content, path, addRecord);

  const labelName = columns?.names[columns.label] ?? "";
  return {
    featureShape: [Math.max(1, (columns?.names.length ?? 0) - 1)],
    features: rows.values(),
    ...labels.finish(`${path}: column "${labelName}"`, CLASS_NAME.test(labelName)),
  };
}

/**
 * Rows of `width` features without labels, for predictions. A file with one column more is taken for a labelled one,
 * and its label column is left out.
 * @throws SltrainError as `readCsv`, and "data-columns" for any other number of columns.
 */
export function readCsvFeatures(content: Uint8Array, path: string, width: number): Float32Array {
  let columns: Columns | undefined;
  const rows = new FloatRows();
  parseRecords(content, path, (record, line) => {
    if (!columns) {
      if (record.length !== width && record.length !== width + 1) {
        throw new SltrainError({
          code: "data-columns",
          message: `${path}: expected ${width} feature columns, or ${width + 1} with a label, got ${record.length}`,
          suggestions: ["Give the columns that the model was trained on, in their order."],
        });
      }
      const labelled = record.length === width + 1;
      columns = labelled ? columnsOf(record, path) : { names: namesOf(record), label: -1 };
      if (isHeader(record)) return;
    }
    for (let c = 0; c < record.length; c++) {
      if (c === columns.label) continue;
      rows.push(finiteNumber(record[c]!, () => `${path}: line ${line}, column "${columns!.names[c]}"`));
    }
  });
  return rows.values();
}

function parseRecords(
  content: Uint8Array,
  path: string,
  addRecord: (record: readonly string[], line: number) => void,
): void {
  try {
    parse(Buffer.from(content.buffer, content.byteOffset, content.byteLength), {
      bom: true,
      delimiter: [",", ";", "\t"],
      skip_empty_lines: true,
      trim: true,
      // Records are used up as they come: the parser keeps none.
      on_record: (record: string[], context) => {
        addRecord(record, context.lines);
        return null;
      },
    });
  } catch (cause) {
    if (cause instanceof SltrainError) throw cause;
    const { code, message } = cause as { code?: string; message: string };
    throw new SltrainError({
      code: code === "CSV_RECORD_INCONSISTENT_FIELDS_LENGTH" ? "data-ragged" : "data-csv",
      message: `${path}: expected records of equally many columns, got: ${message}`,
      cause,
      suggestions: ["Correct that line, or quote values that contain a separator."],
    });
  }
}

function isHeader(record: readonly string[]): boolean {
  return record.some(
    (cell, c) => LABEL_NAME.test(cell) || (c < record.length - 1 && Number.isNaN(Number(cell))),
  );
}

function isLabelName(cell: string, column: number, record: readonly string[]): boolean {
  const isAtAnEnd = column === 0 || column === record.length - 1;
  return LABEL_NAME.test(cell) || (isAtAnEnd && LABEL_AT_AN_END.test(cell));
}

function columnsOf(first: readonly string[], path: string): Columns {
  if (first.length < 2) {
    throw new SltrainError({
      code: "data-columns",
      message: `${path}: expected features and a label, at least 2 columns, got ${first.length}`,
      suggestions: ["Separate columns by comma, semicolon or tab."],
    });
  }
  const named = isHeader(first) ? first.findIndex(isLabelName) : -1;
  return { names: namesOf(first), label: named >= 0 ? named : first.length - 1 };
}

function namesOf(first: readonly string[]): readonly string[] {
  return isHeader(first) ? first : first.map((_, c) => String(c + 1));
}

function finiteNumber(cell: string, where: () => string): number {
  const value = cell === "" ? NaN : Math.fround(Number(cell));
  if (Number.isFinite(value)) return value;
  throw new SltrainError({
    code: "data-nan",
    message: `${where()}: expected a finite f32 number, got ${cell === "" ? "nothing" : `"${cell}"`}`,
    suggestions: ["Remove the record, fill the value in, or encode text columns as numbers."],
  });
}

/** A Float32Array that grows. */
class FloatRows {
  #values = new Float32Array(1024);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float32Array(2 * this.#length);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length++] = value;
  }

  values(): Float32Array {
    return this.#values.slice(0, this.#length);
  }
}

/** Labels as text, each distinct one kept once: what they mean is known when all have come. */
class LabelColumn {
  /** Text -> its index, and the line where it came first. */
  readonly #distinct = new Map<string, { readonly index: number; readonly line: number }>();
  readonly #indices: number[] = [];

  push(text: string, line: number): void {
    let known = this.#distinct.get(text);
    if (!known) this.#distinct.set(text, (known = { index: this.#distinct.size, line }));
    this.#indices.push(known.index);
  }

  finish(where: string, namedClass: boolean): Pick<Table, "labels" | "classes" | "classNames"> {
    const texts = [...this.#distinct.keys()];
    const wrong = (problem: (text: string) => boolean, expected: string) => {
      const text = texts.find(problem);
      if (text === undefined) return;
      throw new SltrainError({
        code: "data-label",
        message: `${where}, line ${this.#distinct.get(text)!.line}: expected ${expected}, got "${text}"`,
        suggestions: ["Correct the label, or remove the record."],
      });
    };
    wrong((text) => text === "" || /^(nan|[+-]?inf(inity)?)$/i.test(text), "a label");

    const numbers = texts.map(Number);
    if (numbers.some(Number.isNaN)) {
      const classNames = [...texts].sort();
      const classOf = new Map(classNames.map((text, index) => [text, index]));
      return { ...this.#classes(texts.map((text) => classOf.get(text)!)), classNames };
    }
    const isClass = (value: number) => Number.isInteger(value) && value >= 0 && value < MAX_CLASSES;
    if (numbers.every(isClass)) return this.#classes(numbers);
    if (namedClass) wrong((text) => !isClass(Number(text)), `a class in 0..${MAX_CLASSES - 1} or a name`);
    return { labels: Float32Array.from(this.#indices, (index) => numbers[index]!), classes: 0 };
  }

  #classes(classOf: readonly number[]): Pick<Table, "labels" | "classes"> {
    const classes = classOf.reduce((highest, index) => Math.max(highest, index), 0) + 1;
    return { labels: Int32Array.from(this.#indices, (index) => classOf[index]!), classes };
  }
}
