// Text for token models: rows of tokens, each beginning with the last token of the row before, so that every token but the
// first is predicted once. The last tenth of the text is for validation: no row of it overlaps one to train on. Two passes:
// the first finds the vocabulary.

import { SltrainError } from "../../errors.ts";
import { formatCount } from "../../units.ts";
import { withoutPacking } from "../content-file.ts";
import type { ContentFile, Format } from "../format.ts";
import type { RowBlock, RowFacts, RowReader } from "../rows.ts";
import { BYTE_VOCABULARY, encoderOf, MOST_TOKENS } from "../vocabulary.ts";

export const DEFAULT_CONTEXT_LENGTH = 64;
const MAX_VALIDATION_ROWS = 10_000;
const BLOCK_BYTES = 2 ** 20;

export const textFormat: Format = {
  name: "text",
  description: "text in UTF-8 for token models: .txt or .md",
  matches: (head, fileName) => /\.(txt|text|md)$/i.test(withoutPacking(fileName)) && isProse(head),
  takes: ["contextLength"],
  // For the vocabulary, for the rows to train on, and past these for the others.
  passes: 3,
  async open(file, { contextLength = DEFAULT_CONTEXT_LENGTH }) {
    const text = await survey(file);
    const { count } = text;
    const validationTokens = Math.min(Math.ceil(count / 10), MAX_VALIDATION_ROWS * contextLength + 1);
    if (validationTokens <= contextLength) throw tooShort(file, count, contextLength);
    const reader = (begin: number, end: number) => new TextReader(file, text, contextLength, { begin, end });
    return {
      train: reader(0, count - validationTokens),
      validation: reader(count - validationTokens, count),
    };
  },
};

/** Whether it reads as text rather than as a table of numbers: most of what is no space is letters. */
function isProse(head: Uint8Array): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    const letters = text.match(/\p{L}/gu)?.length ?? 0;
    const visible = text.match(/\S/gu)?.length ?? 0;
    return !text.includes("\0") && letters > visible / 2;
  } catch {
    return false; // no UTF-8
  }
}

interface Text {
  readonly vocabulary: readonly string[];
  /** Tokens. */
  readonly count: number;
}

/** Characters in the order of their code points; bytes where they are too many, or no UTF-8. */
async function survey(file: ContentFile): Promise<Text> {
  const characters = new Set<string>();
  let [count, bytes] = [0, 0];
  try {
    for await (const piece of piecesOf(file)) {
      for (const character of piece) {
        characters.add(character);
        count++;
      }
      if (characters.size > MOST_TOKENS) break;
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    count = 0; // TextDecoder's word for what is no UTF-8
  }
  if (count > 0 && characters.size <= MOST_TOKENS) {
    const vocabulary = [...characters].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
    return { vocabulary, count };
  }
  for await (const chunk of file.content()) bytes += chunk.length;
  return { vocabulary: BYTE_VOCABULARY, count: bytes };
}

/** Whole characters; a byte order mark is left out. Throws TypeError for what is no UTF-8. */
async function* piecesOf(file: ContentFile): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const chunk of file.content()) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

async function* tokensOf(file: ContentFile, { vocabulary }: Text): AsyncGenerator<Uint8Array> {
  if (vocabulary === BYTE_VOCABULARY) {
    yield* file.content();
    return;
  }
  const encode = encoderOf(vocabulary);
  for await (const piece of piecesOf(file)) yield encode(piece);
}

class TextReader implements RowReader {
  readonly #file: ContentFile;
  readonly #text: Text;
  readonly #contextLength: number;
  readonly #begin: number;
  readonly #end: number;

  /** Rows of tokens [begin, end). */
  constructor(
    file: ContentFile,
    text: Text,
    contextLength: number,
    { begin, end }: { readonly begin: number; readonly end: number },
  ) {
    this.#file = file;
    this.#text = text;
    this.#contextLength = contextLength;
    this.#begin = begin;
    this.#end = end;
  }

  async *read(): AsyncGenerator<RowBlock> {
    const T = this.#contextLength;
    const blockRows = Math.max(1, Math.floor(BLOCK_BYTES / (T + 1)));
    const pending = new Uint8Array(blockRows * T + 1);
    let [filled, position] = [0, 0];
    for await (const chunk of tokensOf(this.#file, this.#text)) {
      let at = Math.min(chunk.length, Math.max(0, this.#begin - position));
      const end = Math.min(chunk.length, this.#end - position);
      while (at < end) {
        const taken = chunk.subarray(at, Math.min(end, at + pending.length - filled));
        pending.set(taken, filled);
        filled += taken.length;
        at += taken.length;
        if (filled < pending.length) continue;
        yield rowsOf(pending, blockRows, T);
        pending[0] = pending.at(-1)!;
        filled = 1;
      }
      position += chunk.length;
      if (position >= this.#end) break;
    }
    const rest = Math.floor((filled - 1) / T);
    if (rest > 0) yield rowsOf(pending, rest, T);
  }

  facts(): RowFacts {
    return {
      featureShape: [this.#contextLength + 1],
      featureType: "u8",
      labels: { kind: "next-token", vocabulary: this.#text.vocabulary },
      skippedRecords: 0,
    };
  }
}

function rowsOf(tokens: Uint8Array, count: number, contextLength: number): RowBlock {
  const features = new Uint8Array(count * (contextLength + 1));
  for (let row = 0; row < count; row++) {
    const begin = row * contextLength;
    features.set(tokens.subarray(begin, begin + contextLength + 1), row * (contextLength + 1));
  }
  return { count, features, labels: new Float64Array(0) };
}

function tooShort(file: ContentFile, count: number, contextLength: number): SltrainError {
  const least = 10 * contextLength + 1;
  return new SltrainError({
    code: "data-too-small",
    message: `${file.path}: expected at least ${formatCount(least)} characters, so that a tenth of them is a row of ${contextLength} to validate on, got ${formatCount(count)}`,
    suggestions: ["Give more text, or a smaller --context-length."],
  });
}
