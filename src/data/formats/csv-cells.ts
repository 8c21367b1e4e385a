// One cell of a table's line at a time, from bytes: a number without making text of it where that can be, and the bounds
// of what stands in it, quotes and blanks around it aside (RFC 4180).

import { DecimalReader } from "./decimal.ts";
import { BadRecord, CARRIAGE_RETURN, NEWLINE, SPACE, TAB } from "./text-records.ts";

const QUOTE = 0x22;
const ZERO = 0x30;
/** So many digits are a small integer, which is faster than a double. */
const SHORT_DIGITS = 9;

export class CellReader {
  /** At the separator or the newline behind the cell; -1 if a quote is not closed in these bytes. */
  stop = 0;
  /** What `single` has read. */
  value = NaN;
  /** Of the content of the cell that was found last. */
  begin = 0;
  end = 0;
  /** Whether the content has doubled quotes in it. */
  #hasQuotes = false;
  /** Newlines in the cell. */
  lines = 0;

  readonly separator: number;
  readonly #decimal = new DecimalReader();

  constructor(separator: number) {
    this.separator = separator;
  }

  /**
   * `value` becomes the number in the cell at `at`, rounding to the right f32; as Number() reads it, but NaN for an empty cell. `find` is
   * called for cells that are more than a plain number, so that `begin` and `end` are right for these alone.
   */
  single(bytes: Uint8Array, at: number, limit: number): void {
    // Counts and codes of some digits are the commonest cells: they need none of the rest.
    let whole = bytes[at]! ^ ZERO;
    if (whole < 10) {
      const lastShort = at + SHORT_DIGITS;
      let end = at + 1;
      for (let digit = bytes[end]! ^ ZERO; digit < 10 && end < lastShort; digit = bytes[++end]! ^ ZERO) {
        whole = whole * 10 + digit;
      }
      if (bytes[end] === this.separator) {
        this.stop = end;
        this.value = whole;
        return;
      }
    }
    if (bytes[at] === this.separator) {
      this.#empty(at);
      return;
    }
    const decimal = this.#decimal;
    const end = decimal.single(bytes, at);
    this.value = this.#endsCell(bytes, end) ? decimal.value : this.#unusualNumber(bytes, at, limit);
  }

  /** Many tables leave a cell out here and there: that needs no search. */
  #empty(at: number): void {
    this.stop = at;
    this.begin = at;
    this.end = at;
    this.#hasQuotes = false;
    this.value = NaN;
  }

  /** As `single`, to the last bit. */
  double(bytes: Uint8Array, at: number, limit: number): number {
    const end = this.#decimal.double(bytes, at);
    const { value } = this.#decimal;
    if (!this.#endsCell(bytes, end)) return this.#unusualNumber(bytes, at, limit);
    this.begin = at;
    this.end = end;
    this.#hasQuotes = false;
    return value;
  }

  #endsCell(bytes: Uint8Array, at: number): boolean {
    const byte = bytes[at]!;
    const stop = byte === CARRIAGE_RETURN && bytes[at + 1] === NEWLINE ? at + 1 : at;
    this.stop = stop;
    return byte === this.separator || bytes[stop] === NEWLINE;
  }

  #unusualNumber(bytes: Uint8Array, at: number, limit: number): number {
    this.find(bytes, at, limit);
    if (this.stop < 0) return NaN;
    const text = this.text(bytes);
    return text === "" ? NaN : Number(text);
  }

  /**
   * Finds the cell's content and its end. Bytes [at, limit) end with a newline.
   * @throws BadRecord "data-csv" for a quote around a part of a value.
   */
  find(bytes: Uint8Array, at: number, limit: number): void {
    this.#hasQuotes = false;
    let begin = at;
    while (this.#isBlank(bytes[begin]!)) begin++;
    if (bytes[begin] === QUOTE) {
      this.#findQuoted(bytes, begin, limit);
      return;
    }
    let stop = begin;
    const { separator } = this;
    for (let byte = bytes[stop]!; byte !== separator && byte !== NEWLINE; byte = bytes[++stop]!) {
      if (byte === QUOTE) throw strayQuote(stop);
    }
    let end = stop;
    while (end > begin && this.#isBlank(bytes[end - 1]!)) end--;
    this.begin = begin;
    this.end = end;
    this.stop = stop;
  }

  #findQuoted(bytes: Uint8Array, quote: number, limit: number): void {
    let at = quote + 1;
    for (;;) {
      at = bytes.indexOf(QUOTE, at);
      if (at < 0 || at >= limit) {
        this.stop = -1;
        return;
      }
      if (bytes[at + 1] !== QUOTE) break;
      this.#hasQuotes = true;
      at += 2;
    }
    this.begin = quote + 1;
    this.end = at;
    for (let i = this.begin; i < at; i++) if (bytes[i] === NEWLINE) this.lines++;
    do at++;
    while (this.#isBlank(bytes[at]!));
    if (bytes[at] !== this.separator && bytes[at] !== NEWLINE) throw strayText(at, bytes[at]!);
    this.stop = at;
  }

  /** The content that was found last. */
  text(bytes: Uint8Array): string {
    const content = bytes.subarray(this.begin, this.end);
    // Most are short ASCII, for which a decoder costs more than the characters.
    const text = content.length < 16 ? shortText(content) : decoder.decode(content);
    return (this.#hasQuotes ? text.replaceAll('""', '"') : text).trim();
  }

  #isBlank(byte: number): boolean {
    return (byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN) && byte !== this.separator;
  }
}

function strayQuote(at: number): BadRecord {
  const remedy = "Quote the whole value, and double the quotes that are part of it.";
  return new BadRecord("data-csv", at, "quotes around whole values only", "one inside of a value", remedy);
}

function strayText(at: number, byte: number): BadRecord {
  const expected = "a separator or the line's end behind a closing quote";
  const remedy = "Double a quote that is part of a value.";
  return new BadRecord("data-csv", at, expected, `"${String.fromCharCode(byte)}"`, remedy);
}

const decoder = new TextDecoder();

function shortText(content: Uint8Array): string {
  let text = "";
  for (const byte of content) {
    if (byte > 127) return decoder.decode(content);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** All cells of the record at `at`, and where the next record begins; undefined if a quote is not closed. */
export function cellsOf(
  bytes: Uint8Array,
  at: number,
  limit: number,
  separator: number,
): { readonly cells: readonly string[]; readonly next: number } | undefined {
  const reader = new CellReader(separator);
  const cells: string[] = [];
  for (let next = at; ; next = reader.stop + 1) {
    reader.find(bytes, next, limit);
    if (reader.stop < 0) return undefined;
    cells.push(reader.text(bytes));
    if (bytes[reader.stop] === NEWLINE) return { cells, next: reader.stop + 1 };
  }
}
