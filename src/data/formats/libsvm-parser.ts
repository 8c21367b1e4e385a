// Rows of LibSVM text, a window of lines at a time.

import type { RowBlock } from "../rows.ts";
import type { BlockMemory } from "../threads/block-memory.ts";
import { DecimalReader } from "./decimal.ts";
import { LabelColumn, type SeenLabels } from "./labels.ts";
import { LibsvmKernel } from "./libsvm-kernel.ts";
import {
  BadRecord,
  CARRIAGE_RETURN,
  endOfLine,
  NEWLINE,
  shown,
  SPACE,
  TAB,
  type RecordParser,
} from "./text-records.ts";

const COLON = 0x3a;
const COMMENT = 0x23;
const ZERO = 0x30;
/** Indices are u32, and the highest is no index. */
const MAX_INDEX = 2 ** 32 - 2;

/** Whether indices count from 0 or from 1; undefined: from 1, unless the first block of rows has a 0. */
export type FirstIndex = 0 | 1 | undefined;

/** What a window says of its file. */
export interface LibsvmFacts {
  readonly labels: SeenLabels;
  /** -1 where no row has any. */
  readonly highestIndex: number;
}

export class LibsvmParser implements RecordParser<LibsvmFacts> {
  line = 1;
  readonly #labels = new LabelColumn();
  readonly #decimal = new DecimalReader();

  #firstIndex: FirstIndex;
  /** Of the lines that the kernel left. */
  #highestIndex = -1;
  #sawZero = false;

  /** Has the rows of the window. */
  readonly #kernel = new LibsvmKernel();

  constructor(firstIndex: FirstIndex) {
    this.#firstIndex = firstIndex;
  }

  get firstIndex(): FirstIndex {
    return this.#firstIndex;
  }

  begin(textBytes: number, countsLabels: boolean): void {
    this.#labels.begin(countsLabels);
    this.#kernel.begin(textBytes);
  }

  record(bytes: Uint8Array, begin: number, end: number): number {
    const kernel = this.#kernel;
    const first = kernel.rows;
    const next = kernel.read(bytes, begin, end, this.#firstIndex ?? 1);
    for (let row = first; row < kernel.rows; row++, this.line++) this.#addLabel(kernel.labels[row]!);
    return next > begin ? next : this.#readLine(bytes, begin);
  }

  #addLabel(label: number): void {
    this.#labels.addNumber(label, this.line, () => String(label));
  }

  /** One that the kernel leaves. */
  #readLine(bytes: Uint8Array, begin: number): number {
    const decimal = this.#decimal;
    const { indices, values } = this.#kernel;
    let at = skipBlanks(bytes, begin);
    const first = bytes[at]!;
    if (first === NEWLINE || first === COMMENT) {
      this.line++;
      return endOfLine(bytes, at, bytes.length);
    }
    const labelBegin = at;
    at = decimal.double(bytes, at);
    const label = decimal.value;
    if (!Number.isFinite(label) || !endsToken(bytes[at]!)) throw badLabel(bytes, labelBegin);

    let { nonZeros } = this.#kernel;
    let previous = -1;
    for (;;) {
      at = skipBlanks(bytes, at);
      const token = at;
      let index = 0;
      for (let digit = bytes[at]! ^ ZERO; digit < 10; digit = bytes[++at]! ^ ZERO) index = index * 10 + digit;
      if (at === token) {
        const byte = bytes[at]!;
        if (byte === NEWLINE || byte === COMMENT) break;
        at = this.#endOfQueryId(bytes, token, previous);
        continue;
      }
      if (bytes[at] !== COLON) throw badPair(bytes, token);
      at = decimal.single(bytes, at + 1);
      const rounded = Math.fround(decimal.value);
      if (!Number.isFinite(rounded) || !endsToken(bytes[at]!)) throw badPair(bytes, token);
      if (index <= previous) throw unsorted(token, index, previous);
      if (index > MAX_INDEX) throw tooLarge(token, index);
      if (index === 0) this.#checkZero(token);
      previous = index;
      // A zero that is written out takes part in nothing but the width.
      if (rounded !== 0) {
        indices[nonZeros] = index;
        values[nonZeros++] = rounded;
      }
    }
    const next = bytes[at] === NEWLINE ? at + 1 : endOfLine(bytes, at, bytes.length);
    this.#addLabel(label);
    this.#kernel.addRow(label, nonZeros);
    if (previous > this.#highestIndex) this.#highestIndex = previous;
    this.line++;
    return next;
  }

  endOfBadRecord(bytes: Uint8Array, at: number, end: number): number {
    return endOfLine(bytes, at, end);
  }

  takeBlock(memory: BlockMemory): RowBlock | undefined {
    const { rows: count, nonZeros, indices, values, rowStarts, labels } = this.#kernel;
    if (count === 0) return undefined;
    this.#firstIndex ??= this.#sawZero ? 0 : 1;
    const columns = memory.copy(indices, nonZeros);
    if (this.#firstIndex === 1) for (let i = 0; i < columns.length; i++) columns[i]!--;
    return {
      count,
      features: {
        rowStarts: memory.copy(rowStarts, count + 1),
        columns,
        values: memory.copy(values, nonZeros),
      },
      labels: memory.copy(labels, count),
    };
  }

  takeFacts(): LibsvmFacts {
    const highestIndex = Math.max(this.#highestIndex, this.#kernel.highestIndex);
    const facts = { labels: this.#labels.take(), highestIndex };
    this.#highestIndex = -1;
    return facts;
  }

  /** SVMlight's `qid:3` groups rows for ranking, which no model here does: it says nothing about the row itself. */
  #endOfQueryId(bytes: Uint8Array, token: number, previous: number): number {
    const isQueryId = bytes[token] === 0x71 && bytes[token + 1] === 0x69 && bytes[token + 2] === 0x64;
    if (!isQueryId || bytes[token + 3] !== COLON || previous >= 0) throw badPair(bytes, token);
    const end = endOfToken(bytes, token);
    if (!/^qid:\d+$/.test(tokenText(bytes, token, end))) throw badPair(bytes, token);
    return end;
  }

  #checkZero(at: number): void {
    if (this.#firstIndex !== 1) this.#sawZero = true;
    else {
      throw new BadRecord(
        "data-libsvm-index",
        at,
        "indices from 1, as in the rows before",
        "index 0",
        "If indices count from 0, say so: --format libsvm:zero-based.",
      );
    }
  }
}

function skipBlanks(bytes: Uint8Array, begin: number): number {
  let at = begin;
  for (
    let byte = bytes[at]!;
    byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN;
    byte = bytes[++at]!
  );
  return at;
}

function endsToken(byte: number): boolean {
  return byte === SPACE || byte === NEWLINE || byte === TAB || byte === CARRIAGE_RETURN || byte === COMMENT;
}

function endOfToken(bytes: Uint8Array, begin: number): number {
  let at = begin;
  while (!endsToken(bytes[at]!)) at++;
  return at;
}

function tokenText(bytes: Uint8Array, begin: number, end: number): string {
  return new TextDecoder().decode(bytes.subarray(begin, end));
}

const PAIR_REMEDY = "Write a non-zero as its index, a colon and its value: 3:0.5.";

function badLabel(bytes: Uint8Array, at: number): BadRecord {
  const end = endOfToken(bytes, at);
  const text = tokenText(bytes, at, end);
  const expected = "a finite number as label";
  if (/^[\d.+-]+(,[\d.+-]+)+$/.test(text)) {
    const remedy = "Choose one label per row: sltrain has no models for several.";
    return new BadRecord("data-label", at, expected, `${shown(bytes, at, end)}, several labels`, remedy);
  }
  const remedy = "Put the label first in each line; -1 and 1, or whole numbers, for classes.";
  return new BadRecord("data-label", at, expected, shown(bytes, at, end), remedy);
}

function badPair(bytes: Uint8Array, at: number): BadRecord {
  const text = shown(bytes, at, endOfToken(bytes, at));
  return new BadRecord("data-libsvm", at, "index:value with a finite f32 number", text, PAIR_REMEDY);
}

function unsorted(at: number, index: number, previous: number): BadRecord {
  const expected = `indices that rise, above ${previous}`;
  return new BadRecord("data-libsvm-index", at, expected, `index ${index}`, "Sort each line by index.");
}

function tooLarge(at: number, index: number): BadRecord {
  const remedy = "Hash or number the features anew.";
  return new BadRecord("data-libsvm-index", at, `an index of at most ${MAX_INDEX}`, String(index), remedy);
}
