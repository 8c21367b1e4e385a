// Finds out, in a few milliseconds, which matrix tile is the faster one here. Both give equal bits, so the choice may
// follow the clock; a tile that is wrong is never chosen.

import { setFlagsFromString } from "node:v8";
import { SltrainError } from "../../errors.ts";
import { ModuleBuilder } from "../../kernels/wasm/emitter.ts";
import { emitGemm, type GemmSpec } from "../../kernels/wasm/gemm.ts";
import { f32x4, v128 } from "../../kernels/wasm/instructions.ts";
import { SLACK_BYTES, type WasmTarget } from "../../kernels/wasm/kernel.ts";
import { TILE_WIDTHS, type TileWidth } from "../../kernels/wasm/tile.ts";

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
};
/** A few dozen calls of each tile: V8 optimises both within the first dozen. */
const TIMING_MS = 4;
const PAGES = 8;
const MAXIMUM_ERROR = 1e-4;

interface Tile {
  readonly width: TileWidth;
  readonly multiply: () => void;
  readonly result: Float32Array;
  bestMs: number;
}

/** Probed once per process: the flag is the process's too. */
let probed: Promise<WasmTarget> | undefined;

/** Throws SltrainError "simd-missing" if the engine has no 128-bit SIMD, "kernel-wrong" if it computes wrong products. */
export function probeWasmTarget(): Promise<WasmTarget> {
  probed ??= probe();
  return probed;
}

async function probe(): Promise<WasmTarget> {
  if (process.arch === "x64") setFlagsFromString(REVECTORIZE_FLAG);
  if (!runs(false))
    throw new SltrainError({
      code: "simd-missing",
      message: `wasm device: expected an engine with 128-bit SIMD, got Node ${process.versions.node} on ${process.arch} without it`,
      suggestions: ["Use a processor with SSE4.1 or NEON."],
    });
  const relaxedSimd = runs(true);
  const { a, b, tiles } = await compileTiles(relaxedSimd);
  const end = performance.now() + TIMING_MS;
  do for (const tile of tiles) time(tile);
  while (performance.now() < end);

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
  return { relaxedSimd, wide: fastest.width === 16 };
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
  gemms.forEach(({ func }, i) => {
    const addresses = [a.byteOffset, b.byteOffset, 0, results[i]!.byteOffset, scratches[i]!];
    module.export(
      String(i),
      module.func(`product ${i}`, [], () => func.call(0, m, ...addresses)),
    );
  });
  const compiled = await WebAssembly.compile(module.toBytes());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  const tiles = TILE_WIDTHS.map((width, i): Tile => {
    return { width, multiply: exports[String(i)] as () => void, result: results[i]!, bestMs: Infinity };
  });
  return { a, b, tiles };
}

function time(tile: Tile): void {
  const startedAt = performance.now();
  tile.multiply();
  tile.bestMs = Math.min(tile.bestMs, performance.now() - startedAt);
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
