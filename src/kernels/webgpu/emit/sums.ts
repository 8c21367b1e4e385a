// Sums over the rows of a matrix, one per column, without float atomics: every workgroup sums a stretch of rows for a few
// columns, and where there are several stretches a second pass adds what each of them left. All of it follows from the
// shape and the target alone.

import { elementType, type Width } from "./elements.ts";
import type { Binding, WebGpuPass, WebGpuRoutine, WebGpuTarget } from "../kernel.ts";
import { powerOfTwo, reduceDirective, reduceFunction, sumOf } from "./reduce.ts";

const MOST_WORKGROUP = 256;
const LEAST_WORKGROUP = 64;
/** Columns that lie side by side in a workgroup: 128 bytes of a row or more. */
const MOST_TILE_UNITS = { 1: 32, 4: 16 } as const;
/** Of the second pass, which has few rows and should have done soon. */
const SECOND_TILE_UNITS = 4;
/** One pass has done soon if a lane adds no more rows than this; two passes are better for more. */
const ROWS_PER_LANE = 16;
/** Of few rows a lane adds that many, so that the workgroup is smaller. */
const MOST_ROWS_OF_FEW = 4;
/** About four for each multiprocessor of a large GPU. More would only make more partial sums. */
const WANTED_WORKGROUPS = 512;

export type Bindings = Readonly<Record<string, Binding>>;

/** What sums are made of, and what becomes of them. */
export interface Terms {
  /** Of what the statements of terms and results name. `$partials` is taken. */
  readonly bindings: Bindings;
  /** Functions and constants that terms need. */
  readonly module?: string;
  /** One expression per sum. */
  readonly terms: readonly string[];
  /** What only the results need, and the first pass does not, unless it is the only one. */
  readonly resultBindings: Bindings;
  /** Statements that see `sum0`, `sum1`, ... */
  readonly results: string;
}

export interface ColumnSums extends Terms {
  readonly rows: number;
  /** Elements of a row. Four go at a time if they can: see `columnWidth`. */
  readonly columns: number;
  /** Statements that set up what belongs to unit `c` of the columns, before its rows. */
  readonly perColumn?: string;
  /** Statements before the terms of `i`, unit `c` of `row`. */
  readonly perElement?: string;
}

/** Elements that make a unit. */
export function columnWidth(columns: number): Width {
  return columns % 4 === 0 ? 4 : 1;
}

/**
 * Sums over rows; terms and sums are f32, or vec4f where `columnWidth` is 4. `results` runs once for each unit `c`. Needs
 * the scratch that it returns under the name `partials`.
 */
export function columnSums(sums: ColumnSums, target: WebGpuTarget): WebGpuRoutine {
  const width = columnWidth(sums.columns);
  return sumRows({ ...sums, units: sums.columns / width, width }, target);
}

/** In units. */
interface RowSums extends Omit<ColumnSums, "columns"> {
  readonly units: number;
  readonly width: Width;
}

function sumRows(sums: RowSums, target: WebGpuTarget): WebGpuRoutine {
  const { rows, units, width, bindings, resultBindings, terms, results } = sums;
  const tile = Math.min(MOST_TILE_UNITS[width], powerOfTwo(units));
  const lanes = MOST_WORKGROUP / tile;
  const tiles = Math.ceil(units / tile);
  const stretches = Math.min(Math.ceil(rows / (lanes * ROWS_PER_LANE)), Math.ceil(WANTED_WORKGROUPS / tiles));
  if (stretches === 1) return { passes: [sumPass({ ...sums, stretches, tile }, target)] };

  const count = terms.length;
  const partials: Binding = { of: { scratch: "partials" }, type: elementType(width) };
  const first: SumPass = {
    ...sums,
    ...{ stretches, tile },
    resultBindings: { partials: { ...partials, of: { scratch: "partials", write: true } } },
    results: terms
      .map((_, k) => `$partials[(stretch * ${count}u + ${k}u) * ${units}u + c] = sum${k};`)
      .join(" "),
  };
  const second: SumPass = {
    ...{ rows: stretches, units, width, stretches: 1, tile: Math.min(tile, SECOND_TILE_UNITS), results },
    bindings: { partials },
    resultBindings: { ...pickNamed(bindings, results), ...resultBindings },
    ...(sums.module !== undefined && { module: sums.module }),
    terms: terms.map((_, k) => `$partials[(row * ${count}u + ${k}u) * ${units}u + c]`),
  };
  return {
    passes: [sumPass(first, target), sumPass(second, target)],
    scratch: { partials: stretches * count * units * width },
  };
}

interface SumPass extends RowSums {
  readonly stretches: number;
  /** Units of the columns that a workgroup has, a power of two. */
  readonly tile: number;
}

/** A workgroup for each tile of columns and each stretch of rows: `tile` invocations side by side, the others below. */
function sumPass(sums: SumPass, target: WebGpuTarget): WebGpuPass {
  const { rows, units, width, stretches, tile, bindings, resultBindings, terms } = sums;
  const { module = "", perColumn = "", perElement = "", results } = sums;
  const tiles = Math.ceil(units / tile);
  const type = elementType(width);
  const stretchRows = Math.ceil(rows / stretches);
  const wanted = powerOfTwo((stretchRows * tile) / MOST_ROWS_OF_FEW);
  const workgroup = Math.min(MOST_WORKGROUP, Math.max(LEAST_WORKGROUP, wanted));
  const lanes = workgroup / tile;
  const add = reduceFunction(
    { name: "add_lanes", type, combine: sumOf },
    { lanes, stride: tile, workgroup },
    target,
  );
  return {
    wgsl: `${reduceDirective(target)}${add}${module}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let stretch = id.y;
  let tile_column = id.x * ${tile}u + thread % ${tile}u;
  // All must meet at barriers: those beyond the last column sum up its rows once more.
  let c = min(tile_column, ${units - 1}u);
  let end = min((stretch + 1u) * ${stretchRows}u, ${rows}u);
  ${terms.map((_, k) => `var part${k} = ${type}();`).join(" ")}
  ${perColumn}
  for (var row = stretch * ${stretchRows}u + thread / ${tile}u; row < end; row += ${lanes}u) {
    let i = row * ${units}u + c;
    ${perElement}
    ${terms.map((term, k) => `part${k} += ${term};`).join(" ")}
  }
  ${terms.map((_, k) => `let sum${k} = add_lanes(part${k}, thread);`).join(" ")}
  if (thread < ${tile}u && tile_column < ${units}u) {
    ${results}
  }
}`,
    bindings: { ...bindings, ...resultBindings },
    workgroups: [tiles, stretches, 1],
  };
}

/** What the text names of the bindings. */
export function pickNamed(bindings: Bindings, text: string): Bindings {
  return Object.fromEntries(
    Object.entries(bindings).filter(([name]) => new RegExp(`\\$${name}\\b`).test(text)),
  );
}
