// What a user asks to be compared, from the texts of the flags: every reduce with every codec, number of workers and
// size. Everything is checked before the first process starts.

import { reduceThrough } from "../../src/allreduce/parameter-servers.ts";
import { nearestName } from "../../src/nearest-name.ts";
import { SltrainError } from "../../src/errors.ts";
import { codecNames, parseCodec } from "../../src/shard/codec/codecs.ts";
import { parseBytes } from "../../src/units.ts";
import { checkReduce, contenderNames, TEXTBOOK } from "./contender.ts";

export interface MatrixTexts {
  readonly workers: string;
  readonly bytes: string;
  readonly reduce: string;
  readonly compress: string;
  /** A URI; parameter servers leave no choice of the reduce. */
  readonly channel?: string | undefined;
}

export interface Matrix {
  readonly workers: readonly number[];
  readonly bytes: readonly number[];
  readonly contenders: readonly { readonly reduce: string; readonly codec: string }[];
}

const MAX_WORKERS = 1_000;
const MAX_BYTES = 1e9;
const VALUE_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Throws SltrainError "bench-invalid" naming the flag, and what the reduce and the codec throw of theirs. */
export function parseMatrix(texts: MatrixTexts): Matrix {
  const workers = listOf(texts.workers).map(workersOf);
  const codecs = listOf(texts.compress);
  for (const codec of codecs) orNearest(codec, codecNames, () => parseCodec(codec));
  const reduces = listOf(reduceThrough(texts.channel ?? "", texts.reduce));
  const contenders = reduces.flatMap((reduce) =>
    // The textbook sends values as they are.
    (reduce === TEXTBOOK ? ["f32"] : codecs).map((codec) => ({ reduce, codec })),
  );
  for (const { reduce } of contenders) {
    for (const worldSize of workers) orNearest(reduce, contenderNames, () => checkReduce(reduce, worldSize));
  }
  return {
    workers,
    bytes: listOf(texts.bytes).map(bytesOf),
    contenders,
  };
}

/** A part that begins with a digit belongs to a name before it: `tree:1,5,22,100` is one reduce. */
function listOf(text: string): string[] {
  const isList = /^[0-9]/.test(text);
  return text.split(isList ? "," : /,(?![0-9])/).map((part) => part.trim());
}

/** What `check` throws, with the name that was meant. */
function orNearest(name: string, known: readonly string[], check: () => unknown): void {
  try {
    check();
  } catch (error) {
    const near = nearestName(name, known);
    if (!(error instanceof SltrainError) || near === undefined || near === name) throw error;
    const { code, message, suggestions } = error;
    throw new SltrainError({ code, message, suggestions: [`Did you mean ${near}?`, ...suggestions] });
  }
}

function workersOf(text: string): number {
  const workers = Number(text);
  if (/^[0-9]+$/.test(text) && workers >= 1 && workers <= MAX_WORKERS) return workers;
  throw invalid("workers", `whole numbers from 1 to ${MAX_WORKERS}, joined by commas`, text, "2,4,8");
}

function bytesOf(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined && bytes >= VALUE_BYTES && bytes <= MAX_BYTES && bytes % VALUE_BYTES === 0)
    return bytes;
  throw invalid("bytes", `multiples of ${VALUE_BYTES} up to 1 GB, joined by commas`, text, "224,12e6,89MB");
}

function invalid(flag: string, expected: string, got: string, example: string): SltrainError {
  return new SltrainError({
    code: "bench-invalid",
    message: `--${flag}: expected ${expected}, got ${JSON.stringify(got)}`,
    suggestions: [`For example --${flag} ${example}`],
  });
}
