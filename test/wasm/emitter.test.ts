import assert from "node:assert/strict";
import { test } from "node:test";
import { forRange, increase, ModuleBuilder, repeat, when, whileLoop } from "../../src/wasm/emitter.ts";
import { f32, f32x4, i32, i64, memory as bulk, shuffle32, v128 } from "../../src/wasm/instructions.ts";

const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
const words = new Int32Array(memory.buffer);
const floats = new Float32Array(memory.buffer);

function builder(): ModuleBuilder {
  return new ModuleBuilder({ maximumPages: 2, relaxedSimd: true });
}

function instantiate(module: ModuleBuilder): Readonly<Record<string, (...args: number[]) => void>> {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } });
  return instance.exports as Record<string, (...args: number[]) => void>;
}

test("constants of every length keep their value", () => {
  const values = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8193, 2 ** 31 - 1, -(2 ** 31)];
  const module = builder();
  module.export(
    "run",
    module.func("constants", [], () => values.map((value, i) => i32.store(i * 4, value))),
  );
  instantiate(module)["run"]!();
  assert.deepEqual([...words.subarray(0, values.length)], values);
});

test("addresses above 2 GiB are constants too", () => {
  const module = builder();
  module.export(
    "run",
    module.func("address", [], () => i32.store(0, i32.shrU(0x80000100, 8))),
  );
  instantiate(module)["run"]!();
  assert.equal(words[0], 0x800001);
});

test("loops run as often as they say, and not at all if there is nothing to do", () => {
  const module = builder();
  const func = module.func("loops", ["count"], ({ count }, f) => {
    const { index, sum } = f.named("i32", ["index", "sum"]);
    return [
      forRange(index, 3, count, 2, increase(sum, index)),
      i32.store(0, sum),
      sum.set(0),
      [0, 1, 5].map((times) => repeat(index, times, increase(sum, 1))),
      i32.store(4, sum),
      sum.set(0),
      whileLoop(count, [increase(count, -1), increase(sum, 2)]),
      i32.store(8, sum),
      when(sum, i32.store(12, 1), i32.store(12, 2)),
    ];
  });
  module.export("run", func);
  const { run } = instantiate(module);
  run!(10);
  assert.deepEqual([...words.subarray(0, 4)], [3 + 5 + 7 + 9, 6, 20, 1]);
  run!(0);
  assert.deepEqual([...words.subarray(0, 4)], [0, 6, 0, 2]);
});

test("functions of one key are emitted once, and call one another", () => {
  const module = builder();
  const store = () => module.func("store", ["at", "value"], ({ at, value }) => i32.store(at, value));
  assert.equal(store(), store());
  module.export(
    "run",
    module.func("both", ["value"], ({ value }) => [
      store().call(0, value),
      store().call(4, i32.add(value, 1)),
    ]),
  );
  instantiate(module)["run"]!(41);
  assert.deepEqual([...words.subarray(0, 2)], [41, 42]);
});

test("vectors, 64-bit integers and bulk memory do what their names say", () => {
  const module = builder();
  const func = module.func("mixed", [], (_, f) => {
    const vector = f.local("v128");
    const product = f.local("i64");
    return [
      vector.set(f32x4.splat(f32.const(1.5))),
      v128.store(64, f32x4.relaxedMadd(vector, vector, vector)),
      v128.store(80, shuffle32(v128.load(0), v128.load(16), [3, 4, 0, 7])),
      product.set(i64.mul(i64.extendI32U(i32.const(0xffffffff)), i64.const(0xd2511f53n))),
      i32.store(96, i32.wrapI64(i64.shrU(product, i64.const(32n)))),
      bulk.copy(100, 0, 8),
      bulk.fill(108, 0xff, 4),
    ];
  });
  module.export("run", func);
  words.set([10, 11, 12, 13, 14, 15, 16, 17]);
  instantiate(module)["run"]!();
  assert.deepEqual([...floats.subarray(16, 20)], [3.75, 3.75, 3.75, 3.75]);
  assert.deepEqual([...words.subarray(20, 28)], [13, 14, 10, 17, 0xd2511f52 | 0, 10, 11, -1]);
});

test("a module that outgrows its first buffer is still whole", () => {
  const module = builder();
  const stores = 20_000;
  module.export(
    "run",
    module.func("long", [], () => Array.from({ length: stores }, (_, i) => i32.store(0, i))),
  );
  assert.ok(module.toBytes().length > 1 << 16);
  instantiate(module)["run"]!();
  assert.equal(words[0], stores - 1);
});

test("a module without a maximum imports memories that are not shared, bounded or not, and follows their growth", () => {
  const module = new ModuleBuilder({ relaxedSimd: true });
  module.export(
    "store",
    module.func("store", ["address", "value"], ({ address, value }) => i32.store(address, value)),
  );
  const compiled = new WebAssembly.Module(module.toBytes());
  for (const limits of [{ initial: 1 }, { initial: 2, maximum: 3 }]) {
    const unshared = new WebAssembly.Memory(limits);
    const { store } = new WebAssembly.Instance(compiled, { env: { memory: unshared } }).exports as {
      store: (address: number, value: number) => void;
    };
    const firstNewByte = unshared.buffer.byteLength;
    unshared.grow(1);
    store(firstNewByte, 7);
    assert.equal(new Int32Array(unshared.buffer)[firstNewByte / 4], 7);
  }
});
