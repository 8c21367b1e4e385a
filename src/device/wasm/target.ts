// Finds out, in a few milliseconds, which matrix tile is the faster one here. Both give equal bits, so the choice may
// follow the clock; a tile that is wrong is never chosen.

import { setFlagsFromString } from "node:v8";
import { SltrainError } from "../../errors.ts";
import { remembered } from "../autotune-cache.ts";
import { ModuleBuilder } from "../../wasm/emitter.ts";
import { emitGemm, type GemmSpec } from "../../kernels/wasm/products/gemm.ts";
import { f32x4, v128 } from "../../wasm/instructions.ts";
import { SLACK_BYTES, type WasmTarget } from "../../kernels/wasm/kernel.ts";
import { TILE_WIDTHS, type TileWidth } from "../../kernels/wasm/products/tile.ts";

/**
 * V8 joins pairs of 128-bit operations into 256-bit ones (x64 only, off by default, process-wide; from V8 13 on it has
 * an effect). It must be set before the first module is compiled.
 */
const REVECTORIZE_FLAG = "--experimental-wasm-revectorize";

const SPEC: GemmSpec = {
  m: 48,
  n: 48,
  k: 128,
  transposeA: false,
  transposeB: false,
  bias: false,
  relu: false,
  mask: false,
};
/** V8 optimises in the background, within a dozen calls if it has a core: then a call takes a quarter of the time. */
const OPTIMISED_SHARE = 0.5;
/** The best of so many calls stands for unoptimised code: one alone may have been interrupted. */
const FIRST_CALLS = 3;
/** Calls of an optimised tile whose best time counts. */
const TIMED_CALLS = 12;
/** After this long the best times decide as they are. */
const MAXIMUM_TIMING_MS = 20;
const PAGES = 8;
const MAXIMUM_ERROR = 1e-4;

interface Tile {
  readonly width: TileWidth;
  readonly multiply: () => void;
  readonly result: Float32Array;
  calls: number;
  firstMs: number;
  bestMs: number;
  /** Calls since the engine has optimised it. */
  optimisedCalls: number;
}

export interface ProbeOptions {
  /** Whether to set V8's flag, which is the process's: what else runs there is compiled with it too. */
  readonly revectorize: boolean;
}

/** Probed once per process, with the flag and without. */
const probed: { [revectorize in `${boolean}`]?: Promise<WasmTarget> } = {};

/** Throws SltrainError "simd-missing" if the engine has no 128-bit SIMD, "kernel-wrong" if it computes wrong products. */
export function probeWasmTarget({ revectorize }: ProbeOptions = { revectorize: true }): Promise<WasmTarget> {
  return (probed[`${revectorize}`] ??= probe(revectorize));
}

/**
 * The target of an engine that joins nothing, for measurements without V8's flag. Only in a process that has not
 * called `probeWasmTarget`.
 */
export function narrowWasmTarget(): WasmTarget {
  return { relaxedSimd: runs(true), wide: false };
}

async function probe(revectorize: boolean): Promise<WasmTarget> {
  if (revectorize && process.arch === "x64") setFlagsFromString(REVECTORIZE_FLAG);
  if (!runs(false))
    throw new SltrainError({
      code: "simd-missing",
      message: `wasm device: expected an engine with 128-bit SIMD, got Node ${process.versions.node} on ${process.arch} without it`,
      suggestions: ["Use a processor with SSE4.1 or NEON."],
    });
  const relaxedSimd = runs(true);
  const width = await remembered({
    name: revectorize ? "tile-width" : "tile-width-without-flag",
    isAnswer: (value): value is TileWidth => TILE_WIDTHS.some((known) => known === value),
    measure: () => fastestTile(relaxedSimd),
  });
  return { relaxedSimd, wide: width === 16 };
}

/** Of those that are right. */
async function fastestTile(relaxedSimd: boolean): Promise<TileWidth> {
  const { a, b, tiles } = await compileTiles(relaxedSimd);
  const end = performance.now() + MAXIMUM_TIMING_MS;
  do for (const tile of tiles) time(tile);
  while (tiles.some(({ optimisedCalls }) => optimisedCalls < TIMED_CALLS) && performance.now() < end);

  const right = tiles.filter(({ result }) => isProduct(a, b, result));
  const fastest = right.reduce<Tile | undefined>(
    (best, tile) => (best === undefined || tile.bestMs < best.bestMs ? tile : best),
    undefined,
  );
  if (fastest === undefined)
    throw new SltrainError({
      code: "kernel-wrong",
      message: `wasm device: expected right products from a tile of 6x8 or 6x16, got wrong ones from both on Node ${process.versions.node}, ${process.arch}`,
      suggestions: ["Report this machine and Node version."],
    });
  return fastest.width;
}

/** Whether the engine takes a module with SIMD, and with relaxed SIMD. */
function runs(relaxedSimd: boolean): boolean {
  const module = new ModuleBuilder({ maximumPages: 1, relaxedSimd });
  module.func("simd", [], (_, f) => {
    const value = f.local("v128");
    return value.set(
      relaxedSimd ? f32x4.relaxedMadd(v128.zero, v128.zero, v128.zero) : f32x4.add(v128.zero, v128.zero),
    );
  });
  return WebAssembly.validate(module.toBytes());
}

async function compileTiles(relaxedSimd: boolean) {
  const { m, n, k } = SPEC;
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const module = new ModuleBuilder({ maximumPages: PAGES, relaxedSimd });
  let next = 0;
  const place = (sizeBytes: number): number => {
    const address = next;
    next = Math.ceil((next + sizeBytes + SLACK_BYTES) / SLACK_BYTES) * SLACK_BYTES;
    return address;
  };
  const matrix = (elements: number) => new Float32Array(memory.buffer, place(elements * 4), elements);
  const a = matrix(m * k);
  const b = matrix(k * n);
  // Any numbers with many digits do.
  for (let i = 0; i < a.length; i++) a[i] = ((i * 389) % 1009) / 1009 - 0.5;
  for (let i = 0; i < b.length; i++) b[i] = ((i * 547) % 1013) / 1013 - 0.5;

  const gemms = TILE_WIDTHS.map((width) => emitGemm(module, SPEC, width));
  const results = gemms.map(() => matrix(m * n));
  const scratches = gemms.map(({ scratchBytes }) => place(scratchBytes));
  gemms.forEach(({ func, extent }, i) => {
    const addresses = [a.byteOffset, b.byteOffset, results[i]!.byteOffset, scratches[i]!];
    module.export(
      String(i),
      module.func(`product ${i}`, [], () => func.call(0, extent, ...addresses)),
    );
  });
  const compiled = await WebAssembly.compile(module.toBytes());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  const tiles = TILE_WIDTHS.map((width, i): Tile => {
    const multiply = exports[String(i)] as () => void;
    multiply(); // compiles it
    return {
      width,
      multiply,
      result: results[i]!,
      calls: 0,
      firstMs: Infinity,
      bestMs: Infinity,
      optimisedCalls: 0,
    };
  });
  return { a, b, tiles };
}

function time(tile: Tile): void {
  const startedAt = performance.now();
  tile.multiply();
  const elapsedMs = performance.now() - startedAt;
  tile.bestMs = Math.min(tile.bestMs, elapsedMs);
  if (tile.calls++ < FIRST_CALLS) tile.firstMs = tile.bestMs;
  if (tile.bestMs < OPTIMISED_SHARE * tile.firstMs) tile.optimisedCalls++;
}

/** Checks every column of some rows: the first and the last row of a tile of rows, and the last row of all. */
function isProduct(a: Float32Array, b: Float32Array, result: Float32Array): boolean {
  const { m, n, k } = SPEC;
  return [0, 5, m - 1].every((row) =>
    Array.from({ length: n }, (_, column) => column).every((column) => {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += a[row * k + i]! * b[i * n + column]!;
      return Math.abs(result[row * n + column]! - sum) <= MAXIMUM_ERROR;
    }),
  );
}
