// What this machine can do at most, measured in this process: the ceiling that kernels are compared with.

import { ModuleBuilder, increase, repeat, type FunctionBuilder, type Local } from "../../wasm/emitter.ts";
import { f32x4, i32, v128, type Body } from "../../wasm/instructions.ts";
import type { WasmTarget } from "../../kernels/wasm/kernel.ts";
import { probeWasmTarget } from "./target.ts";

export interface Peak {
  /** Multiply-adds of 128-bit vectors, two flops a lane. */
  readonly fma128Gflops: number;
  /** The same written in pairs that V8 joins into 256-bit operations, where it does; else about fma128Gflops. */
  readonly fma256Gflops: number;
  /** Bytes read and written by a copy of arrays far beyond the caches. */
  readonly memoryGBs: number;
  /** The same for smaller working sets, which caches hold; ascending, the last is that of `memoryGBs`. */
  readonly bandwidths: readonly Bandwidth[];
}

/** From so much on the pairs are joined: noise is less. */
const JOINED_RATIO = 1.2;

/** Whether V8 has joined the pairs. */
export function joinsVectors({
  fma128Gflops,
  fma256Gflops,
}: Pick<Peak, "fma128Gflops" | "fma256Gflops">): boolean {
  return fma256Gflops >= JOINED_RATIO * fma128Gflops;
}

export interface Bandwidth {
  /** Of source and target together. */
  readonly workingSetBytes: number;
  readonly gbPerS: number;
}

const PAGE_BYTES = 65536;
/** Of each of two arrays: both fit in the first cache, in the second, in a part of the third, in none. */
const COPY_BYTES = [8 * 2 ** 10, 128 * 2 ** 10, 2 * 2 ** 20, 8 * 2 ** 20, 64 * 2 ** 20] as const;
const LARGEST_COPY_BYTES = COPY_BYTES[4];
/** Small arrays are copied again and again in one call, so that the clock does not count. */
const CALL_BYTES = 2 * 2 ** 20;
/** Two arrays, and a page for the accumulators. */
const PAGES = (2 * LARGEST_COPY_BYTES) / PAGE_BYTES + 1;
const OPERANDS = 0;
const SOURCE = PAGE_BYTES;
const TARGET = SOURCE + LARGEST_COPY_BYTES;

/** Enough independent chains to hide a latency of 6 at 2 a cycle, and few enough for 16 registers. */
const CHAINS = 12;
const VECTOR_BYTES = 16;
/** From chain to chain in memory: neighbours would be joined. */
const CHAIN_BYTES = 64;
const LANES = 4;
const FLOPS_PER_LANE = 2;
const PASSES = 20_000;

/** Takes about 0.5 s. Unless it is given, the target is probed: that sets V8's flag, before any compilation. */
export async function measurePeak(target?: WasmTarget): Promise<Peak> {
  const { relaxedSimd } = target ?? (await probeWasmTarget());
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const module = new ModuleBuilder({ maximumPages: PAGES, relaxedSimd });
  for (const bytes of COPY_BYTES) module.export(`copy ${bytes}`, copies(module, bytes));
  const run = instantiate(module, memory);
  // Pages that were never written are all the same one, and reading that costs no bandwidth.
  new Uint8Array(memory.buffer, SOURCE, LARGEST_COPY_BYTES).fill(1);
  const bandwidths = COPY_BYTES.map((bytes) => ({
    workingSetBytes: 2 * bytes,
    gbPerS: (2 * Math.max(bytes, CALL_BYTES)) / bestMs(run(`copy ${bytes}`)) / 1e6,
  }));
  return { ...measureMultiplyAdds({ relaxedSimd }), memoryGBs: bandwidths.at(-1)!.gbPerS, bandwidths };
}

/** The processor's part of the peak. Takes about 0.15 s. V8's flag is as the process has it. */
export function measureMultiplyAdds({
  relaxedSimd,
}: Pick<WasmTarget, "relaxedSimd">): Pick<Peak, "fma128Gflops" | "fma256Gflops"> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const module = new ModuleBuilder({ maximumPages: 1, relaxedSimd });
  module.export("single", multiplyAdds(module, 1));
  module.export("paired", multiplyAdds(module, 2));
  const run = instantiate(module, memory);
  const flops = PASSES * CHAINS * LANES * FLOPS_PER_LANE;
  return {
    fma128Gflops: flops / bestMs(run("single")) / 1e6,
    fma256Gflops: (2 * flops) / bestMs(run("paired")) / 1e6,
  };
}

function instantiate(module: ModuleBuilder, memory: WebAssembly.Memory): (name: string) => () => void {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } });
  return (name) => exports[name] as () => void;
}

/** The shortest of the calls of 60 ms, and of at least three. */
function bestMs(run: () => void): number {
  const end = performance.now() + 60;
  let best = Infinity;
  for (let calls = 0; calls < 3 || performance.now() < end; calls++) {
    const startedAt = performance.now();
    run();
    best = Math.min(best, performance.now() - startedAt);
  }
  return best;
}

/**
 * PASSES times CHAINS multiply-adds of `width` vectors side by side. The sums begin and end in memory: a store is
 * what V8 starts from when it looks for pairs, and without one it would drop the work.
 */
function multiplyAdds(module: ModuleBuilder, width: 1 | 2) {
  return module.func(`multiply-adds ${width}`, [], (_, f) => {
    const sums = Array.from({ length: CHAINS }, () => f.locals("v128", width));
    const factors = f.locals("v128", width);
    const pass = f.local("i32");
    const multiplyAdd = module.relaxedSimd
      ? f32x4.relaxedMadd
      : (a: V, b: V, c: V) => f32x4.add(f32x4.mul(a, b), c);
    const all = (body: (sum: V, offset: number, i: number) => Body): Body =>
      sums.map((row, chain) =>
        row.map((sum, i) => body(sum, chain * CHAIN_BYTES + i * VECTOR_BYTES, i)).reverse(),
      );
    return [
      factors.map((factor, i) => factor.set(v128.load(OPERANDS, CHAINS * CHAIN_BYTES + i * VECTOR_BYTES))),
      all((sum, offset) => sum.set(v128.load(OPERANDS, offset))),
      repeat(
        pass,
        PASSES,
        all((sum, _offset, i) => sum.set(multiplyAdd(factors[i]!, factors[i]!, sum))),
      ),
      all((sum, offset) => v128.store(OPERANDS, sum, offset)),
    ];
  });
}

type V = Local<"v128">;

/** Copies `arrayBytes` once, or as often as makes CALL_BYTES. */
function copies(module: ModuleBuilder, arrayBytes: number) {
  return module.func(`copy ${arrayBytes}`, [], (_, f: FunctionBuilder) => {
    const { from, to, round, pass } = f.named("i32", ["from", "to", "round", "pass"]);
    const values = f.locals("v128", 4);
    const bytes = values.length * VECTOR_BYTES;
    return repeat(round, Math.max(1, CALL_BYTES / arrayBytes), [
      from.set(i32.const(SOURCE)),
      to.set(i32.const(TARGET)),
      repeat(pass, arrayBytes / bytes, [
        values.map((value, i) => value.set(v128.load(from, i * VECTOR_BYTES))),
        values.map((value, i) => v128.store(to, value, i * VECTOR_BYTES)).reverse(),
        increase(from, bytes),
        increase(to, bytes),
      ]),
    ]);
  });
}
