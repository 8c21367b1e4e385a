// LibSVM text in WebAssembly: lines as programs write them, `label index:value index:value` with single spaces and plain
// numbers. It ends before the first line that is anything else, which `LibsvmParser` then reads, and reports.

import { type FunctionRef, increase, leave, ModuleBuilder, when, whileLoop } from "../../wasm/emitter.ts";
import { f32, f64, i32 } from "../../wasm/instructions.ts";
import { emitNumber, POWER_BYTES, writePowers } from "./decimal-kernel.ts";
import { CARRIAGE_RETURN, SPACE } from "./text-records.ts";
import { NEWLINE } from "./text-windows.ts";

const PAGE_BYTES = 65_536;
const COLON = 0x3a;
const ZERO = 0x30;
/** Of f32. */
const INFINITY_BITS = 0x7f80_0000;
/** So many digits fit an i32. */
const MAX_INDEX_DIGITS = 9;
/** A vector may be read from the last byte of the text. */
const SLACK_BYTES = 16;
/** `1:1 ` is the shortest non-zero. */
const MIN_BYTES_PER_NON_ZERO = 4;
/** `1` and a newline are the shortest row. */
const MIN_BYTES_PER_ROW = 2;

/** Of i32: where the lines are read to, and what of them there is. */
const STATE = { at: 0, rows: 1, nonZeros: 2, highestIndex: 3 } as const;
const STATE_AT = POWER_BYTES;
const TEXT_AT = 1024;

const MODULE = emit();

/** The rows of a text; arrays in the kernel's memory, for others to write into as well. */
export class LibsvmKernel {
  /** (non-zeros) as in the file */
  indices = new Uint32Array();
  /** (non-zeros) */
  values = new Float32Array();
  /** (rows + 1) */
  rowStarts = new Uint32Array();
  /** (rows) */
  labels = new Float64Array();
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly #lines: Lines;
  #state = new Int32Array();
  #capacity = 0;
  #text: Uint8Array | undefined;

  constructor() {
    this.#lines = new WebAssembly.Instance(MODULE, { env: { memory: this.#memory } }).exports.lines as Lines;
  }

  /** Makes room for a text of so many bytes; no row is left. */
  begin(textBytes: number): void {
    this.#text = undefined;
    if (textBytes > this.#capacity) this.#grow(textBytes);
    this.#state.set([0, 0, 0, -1]);
    this.rowStarts[0] = 0;
  }

  get rows(): number {
    return this.#state[STATE.rows]!;
  }

  get nonZeros(): number {
    return this.#state[STATE.nonZeros]!;
  }

  /** Of the rows that the kernel has read; -1 where none has any. */
  get highestIndex(): number {
    return this.#state[STATE.highestIndex]!;
  }

  /** Counts a row whose non-zeros, up to `nonZeros`, somebody else wrote. */
  addRow(label: number, nonZeros: number): void {
    const row = this.rows;
    this.labels[row] = label;
    this.rowStarts[row + 1] = nonZeros;
    this.#state[STATE.rows] = row + 1;
    this.#state[STATE.nonZeros] = nonZeros;
  }

  /** Reads lines of `text` up to its byte `end`, the one text since `begin`. Returns where the first begins that it leaves. */
  read(text: Uint8Array, begin: number, end: number, firstIndex: number): number {
    if (this.#text !== text) {
      // The byte behind the end is a newline, at which everything stops.
      new Uint8Array(this.#memory.buffer).set(text.subarray(0, end + 1), TEXT_AT);
      this.#text = text;
    }
    const { indices, values, rowStarts, labels } = this;
    this.#state[STATE.at] = TEXT_AT + begin;
    this.#lines(
      TEXT_AT + end,
      firstIndex,
      ...[indices, values, rowStarts, labels].map(({ byteOffset }) => byteOffset),
    );
    return this.#state[STATE.at]! - TEXT_AT;
  }

  #grow(textBytes: number): void {
    const nonZeros = Math.ceil(textBytes / MIN_BYTES_PER_NON_ZERO) + 1;
    const rows = Math.ceil(textBytes / MIN_BYTES_PER_ROW) + 1;
    const sizes = [8 * rows, 4 * (rows + 1), 4 * nonZeros, 4 * nonZeros];
    const begin = Math.ceil((TEXT_AT + textBytes + 1 + SLACK_BYTES) / 8) * 8;
    const [labels, rowStarts, indices] = sizes.map((_, i) =>
      sizes.slice(0, i).reduce((sum, size) => sum + size, begin),
    );
    const end = begin + sizes.reduce((sum, size) => sum + size, 0);
    const { buffer } = this.#memory;
    const missing = Math.ceil((end - buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) this.#memory.grow(missing);
    writePowers(this.#memory.buffer);
    this.labels = new Float64Array(this.#memory.buffer, labels, rows);
    this.rowStarts = new Uint32Array(this.#memory.buffer, rowStarts, rows + 1);
    this.indices = new Uint32Array(this.#memory.buffer, indices, nonZeros);
    this.values = new Float32Array(this.#memory.buffer, end - 4 * nonZeros, nonZeros);
    this.#state = new Int32Array(this.#memory.buffer, STATE_AT, Object.keys(STATE).length);
    this.#capacity = textBytes;
  }
}

type Lines = (end: number, firstIndex: number, ...arrays: number[]) => void;

function emit(): WebAssembly.Module {
  const module = new ModuleBuilder({ relaxedSimd: false });
  module.export("lines", emitLines(module));
  return new WebAssembly.Module(module.toBytes());
}

/** A function that reads lines from where the state says, and has the state tell of each line that it has read whole. */
function emitLines(module: ModuleBuilder): FunctionRef {
  const parameters = ["end", "firstIndex", "indices", "values", "rowStarts", "labels"] as const;
  return module.func("lines", parameters, (p, f) => {
    const { at, rows, nonZeros, highest } = f.named("i32", ["at", "rows", "nonZeros", "highest"]);
    const { index, previous, digit, begin, bits } = f.named("i32", [
      ...["index", "previous", "digit", "begin", "bits"],
    ] as const);
    const label = emitNumber(f, at, "f64");
    const value = emitNumber(f, at, "f32");
    const locals = { at, rows, nonZeros, highestIndex: highest };
    const fields = Object.entries(STATE).map(([name, field]) => ({
      local: locals[name as keyof typeof STATE],
      offset: STATE_AT + 4 * field,
    }));
    const isDigit = i32.ltU(digit.tee(i32.sub(i32.load8U(at), ZERO)), 10);
    const isPair = i32.and(i32.eq(i32.load8U(at), SPACE), i32.ltU(i32.sub(i32.load8U(at, 1), ZERO), 10));
    const pair = [
      begin.set(increased(at)),
      index.set(0),
      whileLoop(isDigit, [index.set(i32.add(i32.mul(index, 10), digit)), increase(at, 1)]),
      when(i32.gtU(i32.sub(at, begin), MAX_INDEX_DIGITS), leave),
      when(i32.ne(i32.load8U(at), COLON), leave),
      increase(at, 1),
      // Each line's indices rise, from the first that there is.
      when(i32.ltS(index, previous), leave),
      previous.set(i32.add(index, 1)),
      value.read,
      bits.set(i32.reinterpretF32(f32.demoteF64(value.value))),
      when(i32.eq(i32.and(bits, INFINITY_BITS), INFINITY_BITS), leave),
      i32.store(i32.add(p.indices, i32.shl(nonZeros, 2)), index),
      i32.store(i32.add(p.values, i32.shl(nonZeros, 2)), bits),
      // A zero that is written out is written over.
      increase(nonZeros, i32.ne(i32.shl(bits, 1), 0)),
    ];
    return [
      fields.map(({ local, offset }) => local.set(i32.load(offset))),
      whileLoop(i32.ltU(at, p.end), [
        label.read,
        previous.set(p.firstIndex),
        whileLoop(isPair, pair),
        increase(at, i32.eq(i32.load8U(at), SPACE)),
        increase(at, i32.eq(i32.load8U(at), CARRIAGE_RETURN)),
        when(i32.ne(i32.load8U(at), NEWLINE), leave),
        increase(at, 1),
        f64.store(i32.add(p.labels, i32.shl(rows, 3)), label.value),
        increase(rows, 1),
        i32.store(i32.add(p.rowStarts, i32.shl(rows, 2)), nonZeros),
        // No index is below the first: of a line without any, nothing is higher.
        index.set(i32.sub(previous, 1)),
        when(i32.gtS(index, highest), when(i32.ne(previous, p.firstIndex), highest.set(index))),
        fields.map(({ local, offset }) => i32.store(offset, local)),
      ]),
    ];
  });

  function increased(local: Parameters<typeof increase>[0]) {
    return local.tee(i32.add(local, 1));
  }
}
