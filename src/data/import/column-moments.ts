// Sums, extremes and squared deviations of each column of dense f32 rows, four columns at a time in WebAssembly: a lane is
// a column, whose values are added in the rows' order and in f64, so that the bits are those of a plain loop.

import { increase, type Local, ModuleBuilder, whileLoop } from "../../wasm/emitter.ts";
import { type Body, f32x4, f64x2, i32, shuffle32, v128, type V128 } from "../../wasm/instructions.ts";

const PAGE_BYTES = 65_536;
const LANES = 4;
const VECTOR_BYTES = 16;
/** Rows that pass through the nearest cache together; at least one. */
const PASS_BYTES = 16 * 2 ** 10;

/** Of four columns, in bytes: each f64x2 twice. */
const STATE = { sums: 0, min: 32, max: 48, means: 64, squares: 96 } as const;
const STATE_BYTES = 128;

export interface ColumnMoments {
  readonly min: Float64Array;
  readonly max: Float64Array;
  readonly mean: Float64Array;
  /** Sums of squared differences from the mean. */
  readonly squares: Float64Array;
}

type Pass = (from: number, end: number, rowBytes: number, state: number) => void;

const memory = new WebAssembly.Memory({ initial: 1 });
let passes: Readonly<Record<"addValues" | "addSquares", Pass>> | undefined;

/** @param values (rows, columns), row-major, at least one row */
export function columnMoments(values: Float32Array, columns: number): ColumnMoments {
  passes ??= compile();
  const groups = Math.ceil(columns / LANES);
  const stateBytes = groups * STATE_BYTES;
  const passRows = Math.max(1, Math.floor(PASS_BYTES / (4 * columns)));
  reserve(stateBytes + 4 * passRows * columns + VECTOR_BYTES);
  const state = new DataView(memory.buffer, 0, stateBytes);
  const field = (name: keyof typeof STATE, c: number, bytes: number) =>
    Math.floor(c / LANES) * STATE_BYTES + STATE[name] + (c % LANES) * bytes;
  const read = (name: "sums" | "squares") =>
    Float64Array.from({ length: columns }, (_, c) => state.getFloat64(field(name, c, 8), true));
  const readExtremes = (name: "min" | "max") =>
    Float64Array.from({ length: columns }, (_, c) => state.getFloat32(field(name, c, 4), true));

  new Uint8Array(memory.buffer, 0, stateBytes).fill(0);
  for (let c = 0; c < groups * LANES; c++) {
    state.setFloat32(field("min", c, 4), Infinity, true);
    state.setFloat32(field("max", c, 4), -Infinity, true);
  }
  run(passes.addValues, values, columns, stateBytes);
  const rows = values.length / columns;
  const mean = read("sums").map((sum) => sum / rows);
  mean.forEach((value, c) => state.setFloat64(field("means", c, 8), value, true));
  run(passes.addSquares, values, columns, stateBytes);
  return { min: readExtremes("min"), max: readExtremes("max"), mean, squares: read("squares") };
}

/** Over all rows; lanes behind the last column see what is of no use to anyone. */
function run(pass: Pass, values: Float32Array, columns: number, rowsAt: number): void {
  const rowBytes = 4 * columns;
  const passValues = columns * Math.max(1, Math.floor(PASS_BYTES / rowBytes));
  const window = new Float32Array(memory.buffer, rowsAt, passValues);
  for (let begin = 0; begin < values.length; begin += passValues) {
    const part = values.subarray(begin, begin + passValues);
    window.set(part);
    for (let group = 0; group * LANES < columns; group++) {
      const from = rowsAt + group * VECTOR_BYTES;
      pass(from, from + part.byteLength, rowBytes, group * STATE_BYTES);
    }
  }
}

function reserve(bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
}

function compile(): NonNullable<typeof passes> {
  const module = new ModuleBuilder({ relaxedSimd: false });
  const parameters = ["from", "end", "rowBytes", "state"] as const;
  const overRows = (p: Readonly<Record<(typeof parameters)[number], Local<"i32">>>, body: Body) =>
    whileLoop(i32.ltU(p.from, p.end), [body, increase(p.from, p.rowBytes)]);
  const addValues = module.func("addValues", parameters, (p, f) => {
    const { low, high, min, max, values } = f.named("v128", ["low", "high", "min", "max", "values"]);
    const kept = [
      { local: low, at: STATE.sums },
      { local: high, at: STATE.sums + VECTOR_BYTES },
      { local: min, at: STATE.min },
      { local: max, at: STATE.max },
    ];
    return [
      kept.map(({ local, at }) => local.set(v128.load(p.state, at))),
      overRows(p, [
        values.set(v128.load(p.from)),
        low.set(f64x2.add(low, firstTwo(values))),
        high.set(f64x2.add(high, lastTwo(values))),
        min.set(f32x4.pmin(min, values)),
        max.set(f32x4.pmax(max, values)),
      ]),
      kept.map(({ local, at }) => v128.store(p.state, local, at)),
    ];
  });
  const addSquares = module.func("addSquares", parameters, (p, f) => {
    const names = ["low", "high", "lowMean", "highMean", "values", "apart"] as const;
    const { low, high, lowMean, highMean, values, apart } = f.named("v128", names);
    const add = (to: Local<"v128">, two: V128, mean: V128) => [
      apart.set(f64x2.sub(two, mean)),
      to.set(f64x2.add(to, f64x2.mul(apart, apart))),
    ];
    return [
      lowMean.set(v128.load(p.state, STATE.means)),
      highMean.set(v128.load(p.state, STATE.means + VECTOR_BYTES)),
      low.set(v128.load(p.state, STATE.squares)),
      high.set(v128.load(p.state, STATE.squares + VECTOR_BYTES)),
      overRows(p, [
        values.set(v128.load(p.from)),
        add(low, firstTwo(values), lowMean),
        add(high, lastTwo(values), highMean),
      ]),
      v128.store(p.state, low, STATE.squares),
      v128.store(p.state, high, STATE.squares + VECTOR_BYTES),
    ];
  });
  module.export("addValues", addValues);
  module.export("addSquares", addSquares);
  const compiled = new WebAssembly.Module(module.toBytes());
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as NonNullable<typeof passes>;
}

function firstTwo(values: V128): V128 {
  return f64x2.promoteLowF32x4(values);
}

function lastTwo(values: V128): V128 {
  return f64x2.promoteLowF32x4(shuffle32(values, values, [2, 3, 2, 3]));
}
