// Text formats whose records end with a line: the stream is cut into windows of whole lines, a parser takes record after
// record, and what it cannot read ends the import by file, line and column, or is counted (--on-bad-record skip).

import { SltrainError } from "../../errors.ts";
import type { ContentFile, ReadOptions } from "../format.ts";
import type { RowBlock } from "../rows.ts";

/** Of text, of which a block of rows is made: whatever the stream's chunks are, the blocks are the same. */
const WINDOW_BYTES = 2 ** 20;
/** A longer record is no record: a quote that is never closed, or no text at all. */
const MAX_RECORD_BYTES = 64 * 2 ** 20;

export const NEWLINE = 0x0a;
export const CARRIAGE_RETURN = 0x0d;
export const TAB = 0x09;
export const SPACE = 0x20;

/** What a parser throws at a record that it cannot read. */
export class BadRecord extends Error {
  readonly code: string;
  /** Of the byte in the window where it is wrong. */
  readonly at: number;
  readonly remedy: string;
  /** Of a table that has any. */
  readonly columnName: string | undefined;

  constructor(code: string, at: number, expected: string, got: string, remedy: string, columnName?: string) {
    super(`expected ${expected}, got ${got}`);
    this.code = code;
    this.at = at;
    this.remedy = remedy;
    this.columnName = columnName;
  }
}

export interface RecordParser {
  /** The line of the record that is parsed next, from 1: a parser adds the lines that it has passed. */
  line: number;
  /** Makes room for the rows that `textBytes` of text can hold at most. */
  reserve(textBytes: number): void;
  /**
   * Parses the record at `at` of `bytes`, whose last line ends at `end`. Returns where the next one begins, or -1 if this
   * one goes on behind `end`. Only a record that was read to its end leaves anything. @throws BadRecord
   */
  record(bytes: Uint8Array, at: number, end: number): number;
  /** Where a record that cannot be read ends. */
  endOfBadRecord(bytes: Uint8Array, at: number, end: number): number;
  /** The rows since the last call; undefined if there are none. */
  takeBlock(): RowBlock | undefined;
}

export interface ReadingState {
  skippedRecords: number;
}

/**
 * The rows of a file as `parser` makes them.
 * @throws SltrainError naming file, line and column of the first record that cannot be read, unless they are skipped.
 */
export async function* readRecords(
  file: ContentFile,
  { onBadRecord }: ReadOptions,
  parser: RecordParser,
  state: ReadingState,
): AsyncGenerator<RowBlock> {
  for await (const window of textWindows(file)) {
    const { bytes, end } = window;
    parser.reserve(end);
    let at = 0;
    while (at < end) {
      const line = parser.line;
      try {
        const next = parser.record(bytes, at, end);
        if (next < 0) {
          if (window.isLast) throw unfinished(at);
          break;
        }
        at = next;
      } catch (error) {
        if (!(error instanceof BadRecord)) throw error;
        if (onBadRecord === "fail") throw badRecordError(file.path, line, bytes, at, error);
        state.skippedRecords++;
        const next = parser.endOfBadRecord(bytes, at, end);
        parser.line = line + countLines(bytes, at, next);
        at = next;
      }
    }
    window.used = at;
    const block = parser.takeBlock();
    if (block) yield block;
  }
}

interface TextWindow {
  /** The byte behind `end` is a newline too: a parser may look one byte too far. */
  readonly bytes: Uint8Array;
  /** Behind the last newline. */
  readonly end: number;
  readonly isLast: boolean;
  /** Set by who reads it: what lies behind comes again in the next window. */
  used: number;
}

/** Windows of whole lines. The last line has a newline, whether the file ends with one or not. */
async function* textWindows(file: ContentFile): AsyncGenerator<TextWindow> {
  let bytes: Uint8Array<ArrayBuffer> = new Uint8Array(WINDOW_BYTES + 2);
  let filled = 0;
  let capacity = WINDOW_BYTES;
  let isFirst = true;

  const take = function* (isLast: boolean): Generator<TextWindow> {
    const begin = isFirst && startsWithByteOrderMark(bytes, filled) ? 3 : 0;
    if (begin > 0) bytes.copyWithin(0, begin, filled);
    filled -= begin;
    isFirst = false;
    if (isLast && filled > 0 && bytes[filled - 1] !== NEWLINE) bytes[filled++] = NEWLINE;
    const end = bytes.lastIndexOf(NEWLINE, filled - 1) + 1;
    const window: TextWindow = { bytes, end, isLast, used: end };
    if (filled > 0 && end > 0) {
      // For the moment of parsing, the first byte of the line that is cut off gives way to a newline.
      const cutOff = bytes[end]!;
      bytes[end] = NEWLINE;
      yield window;
      bytes[end] = cutOff;
    } else window.used = 0;
    bytes.copyWithin(0, window.used, filled);
    filled -= window.used;
    if (window.used > 0) capacity = WINDOW_BYTES;
    else if (!isLast) {
      if (capacity >= MAX_RECORD_BYTES) throw recordTooLong(file.path);
      capacity *= 2;
      if (bytes.length < capacity + 2) {
        const larger = new Uint8Array(capacity + 2);
        larger.set(bytes.subarray(0, filled));
        bytes = larger;
      }
    }
  };

  for await (const chunk of file.content()) {
    let from = 0;
    while (from < chunk.length) {
      const count = Math.min(chunk.length - from, capacity - filled);
      bytes.set(chunk.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled >= capacity) yield* take(false);
    }
  }
  yield* take(true);
}

function startsWithByteOrderMark(bytes: Uint8Array, filled: number): boolean {
  return filled >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** Behind the newline of the line at `at`. */
export function endOfLine(bytes: Uint8Array, at: number, end: number): number {
  const newline = bytes.indexOf(NEWLINE, at);
  return newline < 0 || newline >= end ? end : newline + 1;
}

function countLines(bytes: Uint8Array, begin: number, end: number): number {
  let lines = 0;
  for (let at = begin; at < end; at++) if (bytes[at] === NEWLINE) lines++;
  return lines;
}

/** Text of at most 40 characters for a message. */
export function shown(bytes: Uint8Array, begin: number, end: number): string {
  const text = new TextDecoder().decode(bytes.subarray(begin, Math.min(end, begin + 160))).trimEnd();
  if (text === "") return "nothing";
  return `"${text.length > 40 ? `${text.slice(0, 39)}…` : text}"`;
}

function unfinished(at: number): BadRecord {
  const remedy = "Close the quote, or double a quote that is part of a value.";
  return new BadRecord("data-csv", at, "a closing quote before the file's end", "none", remedy);
}

function badRecordError(
  path: string,
  line: number,
  bytes: Uint8Array,
  begin: number,
  bad: BadRecord,
): SltrainError {
  const lineBegin = bytes.lastIndexOf(NEWLINE, bad.at - 1) + 1;
  const badLine = line + countLines(bytes, begin, bad.at);
  const where =
    bad.columnName === undefined ? `column ${bad.at - lineBegin + 1}` : `column "${bad.columnName}"`;
  return new SltrainError({
    code: bad.code,
    message: `${path}: line ${badLine}, ${where}: ${bad.message}`,
    suggestions: [bad.remedy, "Or leave such records out and have them counted: --on-bad-record skip."],
  });
}

function recordTooLong(path: string): SltrainError {
  return new SltrainError({
    code: "data-csv",
    message: `${path}: expected lines of text, got a record of more than ${MAX_RECORD_BYTES / 2 ** 20} MiB`,
    suggestions: ["Look for a quote that is never closed, or convert the line ends to LF or CRLF."],
  });
}
