// Reading ahead: code that walks over memory in an order that no processor foresees is faster if the same bytes are
// read in order first. WASM has no prefetch instruction; loading a word of each cache line does it.

import { increase, repeat, whileLoop, type FunctionRef, type ModuleBuilder } from "./emitter.ts";
import { i32, type I32 } from "./instructions.ts";

/** What is smaller is in the second-level cache anyway. */
export const FETCH_MINIMUM_BYTES = 2 ** 20;
const LINE_BYTES = 64;

/** `rows` stretches of memory, `rowBytes` from one's start to the next's. */
export interface FetchSpec {
  readonly rows: number;
  readonly rowBytes: number;
}

/** A function (address, lines) that reads a word of each of the first `lines` cache lines of every row. */
export function emitFetch(module: ModuleBuilder, { rows, rowBytes }: FetchSpec): FunctionRef {
  return module.func(`fetch ${rows} ${rowBytes}`, ["address", "lines"], (p, f) => {
    const { row, line, at, word } = f.named("i32", ["row", "line", "at", "word"]);
    return repeat(row, rows, [
      at.set(p.address),
      line.set(p.lines),
      whileLoop(line, [word.set(i32.load(at)), increase(at, LINE_BYTES), increase(line, -1)]),
      increase(p.address, rowBytes),
    ]);
  });
}

/** Cache lines of a stretch of `bytes`. */
export function cacheLinesOf(bytes: I32): I32 {
  return i32.divU(i32.add(bytes, LINE_BYTES - 1), LINE_BYTES);
}
