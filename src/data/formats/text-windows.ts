// Text as a stream, cut into windows of whole lines that can be parsed apart from each other: on this thread or on others.

import { SltrainError } from "../../errors.ts";
import type { ContentFile } from "../format.ts";

/** Of text, of which a block of rows is made: whatever the stream's chunks are, the blocks are the same. */
const WINDOW_BYTES = 2 ** 20;
/** A longer record is no record: a quote that is never closed, or no text at all. */
const MAX_RECORD_BYTES = 64 * 2 ** 20;
/** For a newline that the file's last line lacks, and for the one behind the end. */
const SPARE_BYTES = 2;

export const NEWLINE = 0x0a;

export interface TextWindow {
  /** The byte behind `end` is a newline too: a parser may look one byte too far. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Behind the last newline. */
  readonly end: number;
  readonly isLast: boolean;
}

/**
 * Cuts behind the last newline of each mebibyte. Where that was within a record (a quoted newline), `putBack` has the rest
 * of the record come again at the beginning of the next window.
 */
export class WindowCutter {
  readonly #path: string;
  readonly #content: AsyncIterator<Uint8Array>;
  /** What the stream gave and no window has yet; a chunk of the stream is valid until the next one. */
  #chunk: Uint8Array = new Uint8Array();
  /** What comes before the stream's next chunk. */
  #pending: Uint8Array[] = [];
  #bytes = new Uint8Array(WINDOW_BYTES + SPARE_BYTES);
  #filled = 0;
  #capacity = WINDOW_BYTES;
  #isFirst = true;
  #isOver = false;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];

  constructor(file: ContentFile) {
    this.#path = file.path;
    this.#content = file.content()[Symbol.asyncIterator]();
  }

  /** Undefined behind the last one. @throws SltrainError "data-csv" for a line that does not end */
  async next(): Promise<TextWindow | undefined> {
    while (!this.#isOver) {
      await this.#fill();
      const isLast = this.#filled < this.#capacity;
      if (this.#isFirst) this.#dropByteOrderMark();
      if (isLast && this.#filled > 0 && this.#bytes[this.#filled - 1] !== NEWLINE)
        this.#bytes[this.#filled++] = NEWLINE;
      const end = this.#filled === 0 ? 0 : this.#bytes.lastIndexOf(NEWLINE, this.#filled - 1) + 1;
      this.#isOver = isLast;
      if (end > 0) return this.#cut(end, isLast);
      if (!isLast) this.#setCapacity(2 * this.#capacity);
    }
    return undefined;
  }

  /** A window's memory, to be used again. */
  recycle(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length === WINDOW_BYTES + SPARE_BYTES) this.#free.push(bytes);
  }

  /** `windows` are all that were cut last, in their order; of the first one, what lies before `used` has been read. */
  putBack(windows: readonly TextWindow[], used: number): void {
    const rests = windows.map(({ bytes, end }, i) => bytes.subarray(i === 0 ? used : 0, end));
    this.#pending.unshift(...rests, this.#bytes.slice(0, this.#filled), this.#chunk);
    this.#chunk = new Uint8Array();
    this.#filled = 0;
    this.#isOver = false;
    if (used === 0) this.#setCapacity(2 * (windows[0]!.bytes.length - SPARE_BYTES));
  }

  async close(): Promise<void> {
    await this.#content.return?.();
  }

  async #fill(): Promise<void> {
    while (this.#filled < this.#capacity) {
      if (this.#chunk.length === 0) {
        const next = this.#pending.shift() ?? (await this.#read());
        if (!next) return;
        this.#chunk = next;
      }
      const count = Math.min(this.#chunk.length, this.#capacity - this.#filled);
      this.#bytes.set(this.#chunk.subarray(0, count), this.#filled);
      this.#filled += count;
      this.#chunk = this.#chunk.subarray(count);
    }
  }

  async #read(): Promise<Uint8Array | undefined> {
    const next = await this.#content.next();
    return next.done === true ? undefined : next.value;
  }

  #dropByteOrderMark(): void {
    this.#isFirst = false;
    const [first, second, third] = this.#bytes;
    if (this.#filled < 3 || first !== 0xef || second !== 0xbb || third !== 0xbf) return;
    this.#bytes.copyWithin(0, 3, this.#filled);
    this.#filled -= 3;
  }

  #cut(end: number, isLast: boolean): TextWindow {
    const bytes = this.#bytes;
    const rest = bytes.slice(end, this.#filled);
    this.#bytes = this.#free.pop() ?? new Uint8Array(WINDOW_BYTES + SPARE_BYTES);
    this.#capacity = WINDOW_BYTES;
    this.#filled = 0;
    if (rest.length > WINDOW_BYTES) {
      this.#pending.unshift(rest, this.#chunk);
      this.#chunk = new Uint8Array();
    } else {
      this.#bytes.set(rest);
      this.#filled = rest.length;
    }
    bytes[end] = NEWLINE;
    return { bytes, end, isLast };
  }

  #setCapacity(capacity: number): void {
    if (capacity > MAX_RECORD_BYTES) throw recordTooLong(this.#path);
    this.#capacity = capacity;
    const larger = new Uint8Array(capacity + SPARE_BYTES);
    larger.set(this.#bytes.subarray(0, this.#filled));
    this.#bytes = larger;
  }
}

function recordTooLong(path: string): SltrainError {
  return new SltrainError({
    code: "data-csv",
    message: `${path}: expected lines of text, got a record of more than ${MAX_RECORD_BYTES / 2 ** 20} MiB`,
    suggestions: ["Look for a quote that is never closed, or convert the line ends to LF or CRLF."],
  });
}
