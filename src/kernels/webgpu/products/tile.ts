// The core of matrix products: sums[M, N] = A[M, K] B[K, N] by workgroups that compute one tile of the sums each, with both
// operands' tiles in workgroup memory and a block of sums in each invocation's registers. Whoever uses it says in WGSL how
// an operand is loaded and what becomes of the sums: matrices here, images in implicit GEMM.
//
// Contract of the texts:
// - `a.load` is the body of `fn (outer: u32, k: u32) -> vec4f`, where `outer` is the row; `b.load` the same, where it is the
//   column. `along: "k"` returns (outer, k), (outer, k + 1), … (outer, k + 3); `along: "outer"` returns (outer, k),
//   (outer + 1, k), …: choose what is contiguous in memory. The axis that the four run along is a multiple of 4. It is called
//   with outer and k below their extents only; elements of the four that lie beyond may be anything.
// - `store` is the body of `fn (row: u32, column: u32, split: u32, sums: vec4f)` for the sums at columns column … column + 3
//   of a row below M; column, a multiple of 4, is below N. If N is no multiple of 4, the last of them may lie beyond.
// - `module` holds functions and constants that they use; names that begin with `tile_` are the core's.
// - With `splits` above 1, split s of K's steps has sums of its own and `store` is called for each: store them in scratch and
//   add them in the order of splits (emit/partial-sums.ts).
//
// Each sum is one chain of fma over ascending k, within a split: which tile computes it changes no bit.
//
// An invocation that fetches does so for a step while it multiplies the one before, so that the latency of memory is hidden.

import { assert } from "../../../errors.ts";
import type { WebGpuPass, WebGpuTarget } from "../kernel.ts";
import { gridOf } from "../emit/grid.ts";

/** All are multiples of 4; an invocation has threadRows x threadColumns sums. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  /** Of K at a time. */
  readonly depth: number;
  readonly threadRows: number;
  readonly threadColumns: number;
}

export interface TileOperand {
  readonly along: "k" | "outer";
  readonly load: string;
}

export interface TileProduct {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: TileOperand;
  readonly b: TileOperand;
  readonly store: string;
  readonly module?: string;
  readonly bindings: WebGpuPass["bindings"];
  /** Parts of K, 1 if left out; `splitsOf` says how many are of use. */
  readonly splits?: number;
  /** An expression that adds a term of vec4f a and b to vec4f sum; `fma(a, b, sum)` if left out. a = b = 0 must add 0. */
  readonly accumulate?: (a: string, b: string, sum: string) => string;
}

const VECTOR_BYTES = 16;
/** vec4 behind each row of a tile in workgroup memory: rows that begin in other banks. */
const PADDING = 1;

/** Invocations of a workgroup. */
export function threadsOf({ rows, columns, threadRows, threadColumns }: Tile): number {
  return (rows / threadRows) * (columns / threadColumns);
}

/** Both operands' tiles, once. */
function stageBytes({ rows, columns, depth }: Tile): number {
  return depth * (rows / 4 + columns / 4 + 2 * PADDING) * VECTOR_BYTES;
}

export function fits(tile: Tile, { workgroupBytes, workgroupInvocations }: WebGpuTarget): boolean {
  return stageBytes(tile) <= workgroupBytes && threadsOf(tile) <= workgroupInvocations;
}

/** The parts that a K of `k` falls into if about `wanted` are: none is empty. */
export function splitsOf({ depth }: Tile, k: number, wanted: number): number {
  const steps = Math.ceil(k / depth);
  return Math.ceil(steps / Math.ceil(steps / Math.min(wanted, steps)));
}

/** One pass that computes the product with that tile, which must fit. */
export function tilePass(tile: Tile, product: TileProduct, target: WebGpuTarget): WebGpuPass {
  const { rows, columns, depth } = tile;
  const { m, n, k, a, b, splits = 1, module = "", bindings, store } = product;
  const threads = threadsOf(tile);
  // With two stages a step stores into one while the slowest invocation still reads the other: one barrier a step.
  const stages = 2 * stageBytes(tile) <= target.workgroupBytes ? 2 : 1;
  const steps = Math.ceil(Math.ceil(k / depth) / splits);
  assert(splitsOf(tile, k, splits) === splits, `${splits} splits of ${k} leave some empty`);
  const columnTiles = Math.ceil(n / columns);
  const tiles = Math.ceil(m / rows) * columnTiles;
  const grid = gridOf(tiles);
  const strideOf = { a: rows / 4 + PADDING, b: columns / 4 + PADDING };
  const padded = splits * steps * depth;
  const fetches = fetchesOf(tile);
  const { place, compute, results } = emitSums(tile, strideOf, product);
  const fetch = fetches.map((part, i) => emitFetch(part, i, product)).join("\n");
  return {
    bindings,
    workgroups: [grid.x, grid.y, splits],
    wgsl: `${module}
var<workgroup> tile_a: array<vec4f, ${stages * depth * strideOf.a}>;
var<workgroup> tile_b: array<vec4f, ${stages * depth * strideOf.b}>;
${emitLoad("a", a, { extent: m, covered: Math.ceil(m / rows) * rows, k, padded })}
${emitLoad("b", b, { extent: n, covered: columnTiles * columns, k, padded })}
fn tile_put(row: u32, column: u32, split: u32, sums: vec4f) {
  ${m % rows === 0 ? "" : `if (row >= ${m}u) { return; }`}
  ${n % columns === 0 ? "" : `if (column >= ${n}u) { return; }`}
  ${store}
}
@compute @workgroup_size(${threads})
fn main(
  @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32
) {
  let tile = ${grid.index("group")};
  ${grid.exact ? "" : `if (tile >= ${tiles}u) { return; }`}
  let row0 = tile / ${columnTiles}u * ${rows}u;
  let column0 = tile % ${columnTiles}u * ${columns}u;
  let split = ${splits === 1 ? "0u" : "group.z"};
  var k0 = split * ${steps * depth}u;
  ${place}
  // WGSL's compilers for processors would unroll so few steps, and take seconds for it: this hides how few.
  let steps = ${steps}u * min(groups.x, 1u);
  for (var step = 0u; step <= steps; step++) {
    ${fetches.map((_, i) => `var next${i}: array<vec4f, 4>;`).join(" ")}
    if (step < steps) { ${fetch} }
    if (step > 0u) {
      let stage = ${stages === 1 ? "0u" : "(step + 1u) % 2u"};
      ${compute}
    }
    ${stages === 1 ? "workgroupBarrier();" : ""}
    if (step < steps) {
      let stage = ${stages === 1 ? "0u" : "step % 2u"};
      ${fetches.map((part, i) => emitKeep(part, i, product, depth, strideOf)).join("\n")}
    }
    workgroupBarrier();
    k0 += ${depth}u;
  }
  ${results}
}`,
  };
}

/** Loads within the extents, zeros for k beyond: they are multiplied. */
function emitLoad(
  name: "a" | "b",
  { along, load }: TileOperand,
  { extent, covered, k, padded }: Readonly<Record<"extent" | "covered" | "k" | "padded", number>>,
): string {
  const guards = [
    ...(covered === extent ? [] : [`outer >= ${extent}u`]),
    ...(padded === k ? [] : [`k >= ${k}u`]),
  ];
  const guard = guards.length === 0 ? "" : `if (${guards.join(" || ")}) { return vec4f(); }`;
  return `fn tile_load_${name}_inside(outer: u32, k: u32) -> vec4f { ${load} }
fn tile_load_${name}(outer: u32, k: u32) -> vec4f {
  ${guard}
  let four = tile_load_${name}_inside(outer, k);
  return ${along === "outer" || k % 4 === 0 ? "four" : `select(vec4f(), four, vec4u(k) + vec4u(0u, 1u, 2u, 3u) < vec4u(${k}u))`};
}`;
}

/** Blocks of 4x4 that invocations fetch: A's, numbered first, then B's. */
interface Fetch {
  /** Invocations from this one on fetch of B, those before of A. */
  readonly cut: number;
  /** Number of invocation 0's block among A's, and of invocation `cut`'s among B's. */
  readonly first: { readonly a: number; readonly b: number };
  /** Invocations that take part. */
  readonly busy: number;
  readonly tile: Tile;
}

function fetchesOf(tile: Tile): readonly Fetch[] {
  const threads = threadsOf(tile);
  const [blocksA, blocks] = [tile.rows, tile.rows + tile.columns].map(
    (outer) => (outer * tile.depth) / 16,
  ) as [number, number];
  return Array.from({ length: Math.ceil(blocks / threads) }, (_, i) => {
    const begin = i * threads;
    const cut = Math.min(threads, Math.max(0, blocksA - begin));
    return {
      cut,
      first: { a: begin, b: Math.max(0, begin - blocksA) },
      busy: Math.min(threads, blocks - begin),
      tile,
    };
  });
}

/** Runs `emit` for the operand that the invocation's block is of. */
function forOperands({ cut, busy, tile }: Fetch, emit: (name: "a" | "b") => string): string {
  if (cut === 0) return busy === threadsOf(tile) ? emit("b") : `if (thread < ${busy}u) { ${emit("b")} }`;
  if (cut === busy) return busy === threadsOf(tile) ? emit("a") : `if (thread < ${busy}u) { ${emit("a")} }`;
  const rest = busy === threadsOf(tile) ? "" : `if (thread < ${busy}u) `;
  return `if (thread < ${cut}u) { ${emit("a")} } else ${rest}{ ${emit("b")} }`;
}

/**
 * Where the block lies in its operand's tile, in blocks. Eight neighbours take two along k and four along the other axis:
 * they read whole sectors of 32 bytes where k is contiguous, and write to different banks, for rows are padded.
 */
function emitBlock({ cut, first, tile: { depth } }: Fetch, name: "a" | "b"): string {
  const start = name === "a" ? first.a : first.b - cut;
  const number = start === 0 ? "thread" : `(thread + ${start >>> 0}u)`;
  if (depth === 4) return `let block_k = 0u; let block_outer = ${number};`;
  const high = depth / 8;
  return `let number = ${number};
      let block_k = number % 2u + number / 8u % ${high}u * 2u;
      let block_outer = number / 2u % 4u + number / ${8 * high}u * 4u;`;
}

function emitFetch(part: Fetch, i: number, { a, b }: TileProduct): string {
  return forOperands(part, (name) => {
    const along = name === "a" ? a.along : b.along;
    const origin = name === "a" ? "row0" : "column0";
    const loads = [0, 1, 2, 3].map((j) => {
      const [outer, k] = along === "k" ? [`outer + ${j}u`, "k"] : ["outer", `k + ${j}u`];
      return `next${i}[${j}] = tile_load_${name}(${outer}, ${k});`;
    });
    return `${emitBlock(part, name)}
      let outer = ${origin} + 4u * block_outer; let k = k0 + 4u * block_k;
      ${loads.join(" ")}`;
  });
}

/** Puts what was fetched into workgroup memory, where four neighbours of the outer axis are a vec4. */
function emitKeep(
  part: Fetch,
  i: number,
  { a, b }: TileProduct,
  depth: number,
  strideOf: Readonly<Record<"a" | "b", number>>,
): string {
  return forOperands(part, (name) => {
    const stride = strideOf[name];
    const stores = [0, 1, 2, 3].map((j) => {
      const turned = [0, 1, 2, 3].map((o) => `next${i}[${o}][${j}]`);
      const four =
        (name === "a" ? a.along : b.along) === "k" ? `vec4f(${turned.join(", ")})` : `next${i}[${j}]`;
      return `tile_${name}[at + ${j * stride}u] = ${four};`;
    });
    return `${emitBlock(part, name)}
      let at = (stage * ${depth}u + 4u * block_k) * ${stride}u + block_outer;
      ${stores.join(" ")}`;
  });
}

/** The invocation's block of sums: where it lies, a step's multiply-adds, and the calls that store it. */
function emitSums(
  tile: Tile,
  strideOf: Readonly<Record<"a" | "b", number>>,
  { accumulate = (a, b, sum) => `fma(${a}, ${b}, ${sum})` }: TileProduct,
) {
  const { rows, columns, depth, threadRows, threadColumns } = tile;
  const threads = { x: columns / threadColumns, y: rows / threadRows };
  assert(threads.x % 8 === 0 && threads.y % 4 === 0, "a tile's invocations come in blocks of 4 by 8");
  const [groups, fours] = [threadRows / 4, threadColumns / 4];
  const each = <R>(count: number, make: (i: number) => R): R[] =>
    Array.from({ length: count }, (_, i) => make(i));
  const sums = each(groups, (g) =>
    each(4, (i) => each(fours, (h) => ({ name: `sum_${4 * g + i}_${h}`, g, i, h }))),
  ).flat(2);
  return {
    // A subgroup of 32 has 4 by 8 of them: it reads few different vec4 at a time.
    place: `let warp = thread / 32u; let lane = thread % 32u;
  let x = warp % ${threads.x / 8}u * 8u + lane % 8u;
  let y = warp / ${threads.x / 8}u * 4u + lane / 8u;
  ${sums.map(({ name }) => `var ${name} = vec4f();`).join(" ")}`,
    compute: `var at_a = stage * ${depth * strideOf.a}u + y; var at_b = stage * ${depth * strideOf.b}u + x;
    for (var i = 0u; i < ${depth}u; i++) {
      ${each(groups, (g) => `let a${g} = tile_a[at_a + ${g * threads.y}u];`).join(" ")}
      ${each(fours, (h) => `let b${h} = tile_b[at_b + ${h * threads.x}u];`).join(" ")}
      ${sums.map(({ name, g, i, h }) => `${name} = ${accumulate(`vec4f(a${g}[${i}])`, `b${h}`, name)};`).join("\n      ")}
      at_a += ${strideOf.a}u; at_b += ${strideOf.b}u;
    }`,
    results: sums
      .map(({ name, g, i, h }) => {
        const row = `row0 + 4u * y + ${4 * g * threads.y + i}u`;
        return `tile_put(${row}, column0 + 4u * x + ${4 * h * threads.x}u, split, ${name});`;
      })
      .join("\n  "),
  };
}
