// Text formats whose records end with a line: the stream is cut into windows of whole lines, a parser takes record after
// record, and what it cannot read ends the import by file, line and column, or is counted (--on-bad-record skip).

import { SltrainError } from "../../errors.ts";
import type { ContentFile, ReadOptions } from "../format.ts";
import type { RowBlock } from "../rows.ts";
import { BlockMemory } from "../threads/block-memory.ts";
import type { ImportThreads } from "../threads/import-threads.ts";
import type { ParserPlan } from "./record-parsers.ts";
import { NEWLINE, type TextWindow, WindowCutter } from "./text-windows.ts";

export { NEWLINE } from "./text-windows.ts";

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

export interface ReadingState {
  skippedRecords: number;
}

/** Parses windows, one after the other; what a window gives depends on its text and on how the parser was made. */
export interface RecordParser<Facts> {
  /** The line of the window that is parsed next, from 1: a parser adds the lines that it has passed. */
  line: number;
  /** A window of `textBytes` begins: its rows need room. `countsLabels`: whether numbers that are labels are told apart. */
  begin(textBytes: number, countsLabels: boolean): void;
  /**
   * Parses the record at `at` of `bytes`, whose last line ends at `end`, or more of them if that one can be read. Returns
   * where the next one begins, or -1 if this one goes on behind `end`. Only a record that was read to its end leaves
   * anything. @throws BadRecord for the one at `at`
   */
  record(bytes: Uint8Array, at: number, end: number): number;
  /** Where a record that cannot be read ends. */
  endOfBadRecord(bytes: Uint8Array, at: number, end: number): number;
  /** The window's rows in `memory`; undefined if there are none. */
  takeBlock(memory: BlockMemory): RowBlock | undefined;
  /** What the window's records say of the file. */
  takeFacts(): Facts;
}

/** What became of a window. */
export interface ParsedWindow<Facts> {
  /** Behind the last record; before the window's end if that one goes on there. */
  readonly used: number;
  readonly lines: number;
  readonly block: RowBlock | undefined;
  readonly facts: Facts;
  readonly skippedRecords: number;
  /** What ended it early. */
  readonly bad?: BadPlace;
}

export interface BadPlace extends Pick<BadRecord, "code" | "message" | "remedy"> {
  /** Of the window, from 1. */
  readonly line: number;
  /** `column 7`, or a table's name for it. */
  readonly column: string;
}

export interface ParseOptions extends Pick<ReadOptions, "onBadRecord"> {
  /** Whether numbers that are labels are still to be told apart. */
  readonly countsLabels: boolean;
}

/** Whoever gave the window may use its memory again afterwards. */
export function parseWindow<Facts>(
  parser: RecordParser<Facts>,
  { bytes, end, isLast }: TextWindow,
  { onBadRecord, countsLabels }: ParseOptions,
  memory = new BlockMemory(),
): ParsedWindow<Facts> {
  parser.line = 1;
  parser.begin(end, countsLabels);
  let skippedRecords = 0;
  let bad: BadPlace | undefined;
  let at = 0;
  while (at < end && !bad) {
    const line = parser.line;
    try {
      const next = parser.record(bytes, at, end);
      if (next < 0) {
        if (isLast) throw unfinished(at);
        break;
      }
      at = next;
    } catch (error) {
      if (!(error instanceof BadRecord)) throw error;
      if (onBadRecord === "fail") bad = placeOf(error, line, bytes, at);
      else {
        skippedRecords++;
        const next = parser.endOfBadRecord(bytes, at, end);
        parser.line = line + countLines(bytes, at, next);
        at = next;
      }
    }
  }
  const block = parser.takeBlock(memory);
  const facts = parser.takeFacts();
  return { used: at, lines: parser.line - 1, block, facts, skippedRecords, ...(bad && { bad }) };
}

/** A file's parser, and what its windows have said of the file so far. */
export interface TextTable<Facts> {
  readonly parser: RecordParser<Facts>;
  /** What a parser on another thread is made by, known once it is as good as `parser`. */
  threadParser(): ParserPlan | undefined;
  /** Whether labels are still to be told apart. */
  readonly countsLabels: boolean;
  /** Takes in what the next window says, which begins behind `linesBefore` lines. May change the block's labels. @throws SltrainError */
  join(facts: Facts, block: RowBlock | undefined, linesBefore: number): void;
}

/**
 * The rows of a file, its windows parsed on `threads` where there are any: the same rows and the same errors.
 * @throws SltrainError naming file, line and column of the first record that cannot be read, unless they are skipped.
 */
export async function* readRecords<Facts>(
  file: ContentFile,
  { onBadRecord }: Pick<ReadOptions, "onBadRecord">,
  table: TextTable<Facts>,
  state: ReadingState,
  threads?: ImportThreads,
): AsyncGenerator<RowBlock> {
  const cutter = new WindowCutter(file);
  const parse = windowParser(table, onBadRecord, threads);
  const coming: ComingWindow<Facts>[] = [];
  let lines = 0;
  try {
    for (;;) {
      while (coming.length < parse.atOnce()) {
        const window = await cutter.next();
        if (!window) break;
        coming.push(parse.start(window));
      }
      const first = coming.shift();
      if (!first) return;
      const { parsed, window } = await first;
      const { used, block, facts, bad } = parsed;
      table.join(facts, block, lines);
      if (bad) throw badRecordError(file.path, lines, bad);
      if (used === window.end) cutter.recycle(window.bytes);
      else {
        const later = await Promise.all(coming.splice(0));
        cutter.putBack([window, ...later.map((other) => other.window)], used);
      }
      lines += parsed.lines;
      state.skippedRecords += parsed.skippedRecords;
      if (block) yield block;
    }
  } finally {
    // Whoever stops early does not wait for what comes.
    for (const other of coming) other.catch(() => undefined);
    await cutter.close();
  }
}

/** With its memory back. */
export interface ReturnedWindow<Facts> {
  readonly parsed: ParsedWindow<Facts>;
  readonly window: TextWindow;
}

type ComingWindow<Facts> = Promise<ReturnedWindow<Facts>>;

/** On this thread, one after the other, until a parser elsewhere can be as good. */
function windowParser<Facts>(
  table: TextTable<Facts>,
  onBadRecord: ReadOptions["onBadRecord"],
  threads: ImportThreads | undefined,
) {
  let remote: number | undefined;
  const parserElsewhere = (): number | undefined => {
    const plan = remote === undefined && threads ? table.threadParser() : undefined;
    if (plan) remote = threads!.open(plan);
    return remote;
  };
  return {
    atOnce: () => (parserElsewhere() === undefined ? 1 : 2 * threads!.count),
    start(window: TextWindow): ComingWindow<Facts> {
      const options = { onBadRecord, countsLabels: table.countsLabels };
      const parser = parserElsewhere();
      if (parser !== undefined) return threads!.parse(parser, window, options) as ComingWindow<Facts>;
      return Promise.resolve({ parsed: parseWindow(table.parser, window, options), window });
    },
  };
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

function placeOf(
  { code, message, remedy, at, columnName }: BadRecord,
  line: number,
  bytes: Uint8Array,
  begin: number,
): BadPlace {
  const lineBegin = bytes.lastIndexOf(NEWLINE, at - 1) + 1;
  const column = columnName === undefined ? `column ${at - lineBegin + 1}` : `column "${columnName}"`;
  return { code, message, remedy, line: line + countLines(bytes, begin, at), column };
}

function badRecordError(path: string, linesBefore: number, bad: BadPlace): SltrainError {
  return new SltrainError({
    code: bad.code,
    message: `${path}: line ${linesBefore + bad.line}, ${bad.column}: ${bad.message}`,
    suggestions: [bad.remedy, "Or leave such records out and have them counted: --on-bad-record skip."],
  });
}
