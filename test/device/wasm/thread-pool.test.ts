import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import { ThreadPool } from "../../../src/device/wasm/thread-pool.ts";
import { forRange, ModuleBuilder, whileLoop, type FunctionRef } from "../../../src/wasm/emitter.ts";
import { i32, type I32 } from "../../../src/wasm/instructions.ts";

const PAGES = 4;
const WORD_BYTES = 4;
/** Words before it count slices, by thread. */
const FIRST_UNIT = 64;
const MOST_UNITS = 10_000;
const BEYOND_MEMORY = PAGES * 65536;

function increment(address: I32) {
  return i32.store(address, i32.add(i32.load(address), 1));
}

/** Calls of parameters begin, end and scratch; scratch is the thread's own word. */
const calls: Readonly<Record<string, (module: ModuleBuilder) => FunctionRef>> = {
  count: (module) =>
    module.func("count", ["begin", "end", "scratch"], ({ begin, end, scratch }, f) => {
      const unit = f.local("i32");
      const address = i32.add(i32.mul(unit, WORD_BYTES), FIRST_UNIT * WORD_BYTES);
      return [forRange(unit, begin, end, 1, increment(address)), increment(scratch)];
    }),
  trap: (module) =>
    module.func("trap", ["begin", "end", "scratch"], ({ scratch }) => [
      increment(scratch),
      increment(BEYOND_MEMORY),
    ]),
  forever: (module) =>
    module.func("forever", ["begin", "end", "scratch"], ({ scratch }) => [
      increment(scratch),
      whileLoop(i32.const(1), []),
    ]),
};

async function startPool(helpers: number) {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const module = new ModuleBuilder({ maximumPages: PAGES, relaxedSimd: true });
  const names = Object.keys(calls);
  for (const name of names) module.export(name, calls[name]!(module));
  const compiled = await WebAssembly.compile(module.toBytes());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  const pool = new ThreadPool(memory, helpers);
  const first = pool.addProgram(
    compiled,
    names,
    Array.from({ length: helpers }, (_, helper) => (1 + helper) * WORD_BYTES),
  );
  const words = new Int32Array(memory.buffer);
  return {
    pool,
    /** Slices that each helper has begun. */
    begun: words.subarray(1, 1 + helpers),
    /** How often each unit was computed. */
    units: words.subarray(FIRST_UNIT, FIRST_UNIT + MOST_UNITS),
    /** Over `units` on all threads; `here` stands for the call on this one. */
    run: (name: string, units: number, sliceUnits: number, here?: () => void) => {
      const call = exports[name] as (begin: number, end: number, scratch: number) => void;
      const run = (begin: number, end: number): void => (here ? here() : call(begin, end, 0));
      return pool.run({ number: first + names.indexOf(name), run }, 0, units, sliceUnits);
    },
  };
}

/** Spins until another thread has changed the words. */
function untilNonzero(words: Int32Array): void {
  const end = performance.now() + 4_000;
  while (words.every((_, i) => Atomics.load(words, i) === 0))
    assert.ok(performance.now() < end, "no helper took a slice");
}

suite("the thread pool", () => {
  for (const helpers of [1, 2])
    test(`computes every unit once with ${helpers} helpers, awake, asleep or not yet started`, async () => {
      const { pool, units, run } = await startPool(helpers);
      let runs = 0;
      const expected = new Int32Array(MOST_UNITS);
      for (let round = 0; round < 6; round++) {
        for (let i = 0; i < 300; i++, runs++) {
          const count = 1 + ((runs * 389) % MOST_UNITS);
          await run("count", count, 1 + (runs % 700));
          expected[count - 1]! += 1;
        }
        await new Promise((resolve) => setTimeout(resolve, 5 * round));
      }
      pool.close();
      // A run of n units computes the units before n: sums from the end.
      for (let i = MOST_UNITS - 2; i >= 0; i--) expected[i]! += expected[i + 1]!;
      assert.deepEqual(units, expected);
    });

  test("lets helpers take slices while the calling thread is at one", async () => {
    const { pool, begun, run } = await startPool(1);
    await run("count", 8, 1, () => untilNonzero(begun));
    assert.ok(begun[0]! > 0);
    pool.close();
  });

  test("throws what fails on a helper, and can go on", async () => {
    const { pool, begun, units, run } = await startPool(1);
    await assert.rejects(async () => run("trap", 8, 1, () => untilNonzero(begun)), {
      code: "thread-failed",
      message: /helper thread: RuntimeError: memory access out of bounds/,
    });
    await run("count", 100, 3);
    assert.deepEqual([...new Set(units.subarray(0, 100))], [1]);
    pool.close();
  });

  test("throws what fails on the calling thread once the helpers are done", async () => {
    const { pool, run } = await startPool(1);
    const failure = new Error("here");
    await assert.rejects(
      async () =>
        run("count", 8, 1, () => {
          throw failure;
        }),
      failure,
    );
    pool.close();
  });

  test("waits for a slow helper without holding up the event loop, and learns if it is gone", async () => {
    const { pool, begun, run } = await startPool(1);
    let turns = 0;
    const turn = setInterval(() => turns++ === 3 && pool.close(), 1);
    await assert.rejects(async () => run("forever", 2, 1, () => untilNonzero(begun)), {
      code: "thread-lost",
    });
    clearInterval(turn);
    assert.ok(turns > 3);
    await assert.rejects(async () => run("count", 2, 1), { code: "thread-lost" });
  });

  test("does not keep the process alive", () => {
    const url = new URL("../../../src/device/wasm/thread-pool.ts", import.meta.url).href;
    const script = `
      const { ThreadPool } = await import(${JSON.stringify(url)});
      new ThreadPool(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }), 2);
      await new Promise((resolve) => setTimeout(resolve, 100));
      console.log("end");`;
    const output = execFileSync(process.execPath, ["--input-type=module", "--eval", script], {
      encoding: "utf8",
      timeout: 4_000,
    });
    assert.equal(output, "end\n");
  });
});
