// How the workgroups of a product walk along K: each fetches its tiles of both operands into registers while it multiplies
// those of the step before, which lie in workgroup memory. What lies there, and how it is multiplied, is the caller's. The
// contract of the operands' texts is that of tile.ts.

import { assert } from "../../../errors.ts";
import { gridOf } from "../emit/grid.ts";
import type { WebGpuPass } from "../kernel.ts";

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

/** What a workgroup computes of a product. */
export interface Block {
  readonly rows: number;
  readonly columns: number;
  /** Of K at a time. */
  readonly depth: number;
  /** Invocations. */
  readonly threads: number;
}

export type OperandName = "a" | "b";

export interface Walk {
  readonly block: Block;
  /** How often both tiles are in workgroup memory. With two, one barrier a step is enough. */
  readonly stages: 1 | 2;
  /** Directives, in front of all else. */
  readonly directives?: string;
  /** Parameters of `main` beside `group`, `groups` and `thread`. */
  readonly parameters?: string;
  /** Declarations of workgroup memory. */
  readonly memory: string;
  /** Statements before the first step; they see `thread`, `row0` and `column0`. */
  readonly begin: string;
  /**
   * Statements that put a block of 4x4 into `stage` of the operand's tile, at (4 block_outer, 4 block_k): `fours` are what
   * the loader returned (expressions, vec4f), for four neighbours along the other axis.
   */
  readonly keep: (name: OperandName, fours: readonly string[]) => string;
  /** Statements that multiply what is in `stage`. */
  readonly compute: string;
  /** Statements that call `tile_put(row, column, split, sums)` for all rows and columns of the block. */
  readonly end: string;
}

/** The parts that a K of `k` falls into if about `wanted` are: none is empty. */
export function splitsOf({ depth }: Pick<Block, "depth">, k: number, wanted: number): number {
  const steps = Math.ceil(k / depth);
  return Math.ceil(steps / Math.ceil(steps / Math.min(wanted, steps)));
}

export function walkPass(walk: Walk, product: TileProduct): WebGpuPass {
  const { block, stages, directives = "", parameters, memory, begin, compute, end } = walk;
  const { rows, columns, depth, threads } = block;
  const { m, n, k, a, b, splits = 1, module = "", bindings, store } = product;
  const steps = Math.ceil(Math.ceil(k / depth) / splits);
  assert(splitsOf(block, k, splits) === splits, `${splits} splits of ${k} leave some empty`);
  const columnTiles = Math.ceil(n / columns);
  const tiles = Math.ceil(m / rows) * columnTiles;
  const grid = gridOf(tiles);
  const padded = splits * steps * depth;
  const fetches = fetchesOf(block);
  return {
    bindings,
    workgroups: [grid.x, grid.y, splits],
    wgsl: `${directives}${module}
${memory}
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
  @builtin(local_invocation_index) thread: u32${
    parameters === undefined
      ? ""
      : `,
  ${parameters}`
  }
) {
  let tile = ${grid.index("group")};
  ${grid.exact ? "" : `if (tile >= ${tiles}u) { return; }`}
  let row0 = tile / ${columnTiles}u * ${rows}u;
  let column0 = tile % ${columnTiles}u * ${columns}u;
  let split = ${splits === 1 ? "0u" : "group.z"};
  var k0 = split * ${steps * depth}u;
  ${begin}
  // WGSL's compilers for processors would unroll so few steps, and take seconds for it: this hides how few.
  let steps = ${steps}u * min(groups.x, 1u);
  for (var step = 0u; step <= steps; step++) {
    ${fetches.map((_, i) => `var next${i}: array<vec4f, 4>;`).join(" ")}
    if (step < steps) { ${fetches.map((part, i) => emitFetch(part, i, product)).join("\n")} }
    if (step > 0u) {
      let stage = ${stages === 1 ? "0u" : "(step + 1u) % 2u"};
      ${compute}
    }
    ${stages === 1 ? "workgroupBarrier();" : ""}
    if (step < steps) {
      let stage = ${stages === 1 ? "0u" : "step % 2u"};
      ${fetches.map((part, i) => emitKeep(part, i, walk)).join("\n")}
    }
    workgroupBarrier();
    k0 += ${depth}u;
  }
  ${end}
}`,
  };
}

/** Loads within the extents, zeros for k beyond: they are multiplied. */
function emitLoad(
  name: OperandName,
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
  readonly block: Block;
}

function fetchesOf(block: Block): readonly Fetch[] {
  const { rows, columns, depth, threads } = block;
  const blocksA = (rows * depth) / 16;
  const blocks = ((rows + columns) * depth) / 16;
  return Array.from({ length: Math.ceil(blocks / threads) }, (_, i) => {
    const begin = i * threads;
    const cut = Math.min(threads, Math.max(0, blocksA - begin));
    return {
      cut,
      first: { a: begin, b: Math.max(0, begin - blocksA) },
      busy: Math.min(threads, blocks - begin),
      block,
    };
  });
}

/** Runs `emit` for the operand that the invocation's block is of. */
function forOperands({ cut, busy, block: { threads } }: Fetch, emit: (name: OperandName) => string): string {
  const taking = busy === threads ? "" : `if (thread < ${busy}u) `;
  if (cut === 0 || cut === busy) return `${taking}{ ${emit(cut === 0 ? "b" : "a")} }`;
  return `if (thread < ${cut}u) { ${emit("a")} } else ${taking}{ ${emit("b")} }`;
}

/**
 * Where the block lies in its operand's tile, in blocks. Eight neighbours take two along k and four along the other axis:
 * they read whole sectors of 32 bytes where k is contiguous, and write to different banks, for rows are padded.
 */
function emitBlock({ cut, first, block: { depth } }: Fetch, name: OperandName): string {
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

/** Puts what was fetched into workgroup memory. */
function emitKeep(part: Fetch, i: number, { keep }: Walk): string {
  const fours = [0, 1, 2, 3].map((j) => `next${i}[${j}]`);
  return forOperands(
    part,
    (name) => `${emitBlock(part, name)}
      ${keep(name, fours)}`,
  );
}
