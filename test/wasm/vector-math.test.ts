import assert from "node:assert/strict";
import { test } from "node:test";
import { forRange, ModuleBuilder, type FunctionBuilder, type Local } from "../../src/wasm/emitter.ts";
import { v128, type Body } from "../../src/wasm/instructions.ts";
import { VectorMath } from "../../src/wasm/vector-math.ts";

const COUNT = 40_000;
const memory = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });

type Emit = (math: VectorMath, result: Local<"v128">, f: FunctionBuilder) => Body;

/** f(x) for each x; the length is a multiple of 4. */
function evaluate(emit: Emit, xs: Float32Array): Float32Array {
  const module = new ModuleBuilder({ maximumPages: 8, relaxedSimd: true });
  const func = module.func("function", ["end"], ({ end }, f) => {
    const math = new VectorMath(f);
    const at = f.local("i32");
    const value = f.local("v128");
    const body = forRange(at, 0, end, 16, [
      value.set(v128.load(at)),
      emit(math, value, f),
      v128.store(at, value),
    ]);
    return [math.prologue(), body];
  });
  module.export("run", func);
  const values = new Float32Array(memory.buffer, 0, xs.length);
  values.set(xs);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } });
  (instance.exports["run"] as (end: number) => void)(xs.byteLength);
  return values.slice();
}

function evenly(from: number, to: number): Float32Array {
  return Float32Array.from({ length: COUNT }, (_, i) => from + ((to - from) * i) / (COUNT - 1));
}

/** Both signs, from the smallest normal number on, evenly in the exponent. */
function allSizes(largest: number): Float32Array {
  const decades = Math.log10(largest) + 37;
  return Float32Array.from({ length: COUNT }, (_, i) => {
    const size = 10 ** (-37 + (decades * i) / (COUNT - 1));
    return i % 2 === 0 ? size : -size;
  });
}

function ulp(value: number): number {
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(value))));
  return 2 ** (exponent - 23);
}

const cases: readonly {
  readonly name: string;
  readonly emit: Emit;
  readonly exact: (x: number) => number;
  readonly maximumUlp: number;
  readonly xs: readonly Float32Array[];
}[] = [
  {
    name: "exp",
    emit: (math, value) => math.exp(value, value),
    exact: Math.exp,
    maximumUlp: 2,
    xs: [evenly(-87, 88.7), evenly(-1, 1), allSizes(80)],
  },
  {
    name: "log",
    emit: (math, value) => math.log(value, value),
    exact: Math.log,
    maximumUlp: 2,
    xs: [evenly(1.2e-38, 3), evenly(1, 1e6), evenly(1e30, 3e38)],
  },
  {
    name: "log1p",
    emit: (math, value) => math.log1p(value, value),
    exact: Math.log1p,
    maximumUlp: 4,
    xs: [evenly(0, 1), evenly(0, 1e-6)],
  },
  {
    name: "sigmoid",
    emit: (math, value) => math.sigmoid(value, value),
    exact: (x) => 1 / (1 + Math.exp(-x)),
    maximumUlp: 4,
    xs: [evenly(-87, 87), evenly(-2, 2), allSizes(80)],
  },
  {
    name: "tanh",
    emit: (math, value) => math.tanh(value, value),
    exact: Math.tanh,
    maximumUlp: 3,
    xs: [evenly(-12, 12), evenly(-1, 1), allSizes(100)],
  },
];

for (const { name, emit, exact, maximumUlp, xs } of cases) {
  test(`${name} is within ${maximumUlp} ulp`, () => {
    for (const range of xs)
      evaluate(emit, range).forEach((value, i) => {
        const expected = exact(range[i]!);
        const error = Math.abs(value - expected) / ulp(expected);
        assert.ok(error <= maximumUlp, `${name}(${range[i]}) = ${value}, ${error} ulp off ${expected}`);
      });
  });

  test(`${name} of NaN is NaN`, () => {
    assert.ok(evaluate(emit, Float32Array.of(NaN, -NaN, NaN, NaN)).every(Number.isNaN));
  });
}

/** Phi by Simpson's rule from 0, in steps that leave an error below 1e-12. */
function normalDistribution(x: number): number {
  const steps = 400;
  const width = x / steps;
  const density = (at: number) => Math.exp((-at * at) / 2) / Math.sqrt(2 * Math.PI);
  let sum = 0;
  for (let i = 0; i <= steps; i++) sum += density(i * width) * (i % steps === 0 ? 1 : i % 2 === 1 ? 4 : 2);
  return 0.5 + (sum * width) / 3;
}

test("the normal distribution has errors below 3e-7", () => {
  const xs = evenly(-8, 8).filter((_, i) => i % 40 < 4);
  const values = evaluate((math, value, f) => math.normal(value, f.local("v128"), value), xs);
  values.forEach((value, i) => {
    const error = Math.abs(value - normalDistribution(xs[i]!));
    assert.ok(error < 3e-7, `Phi(${xs[i]}) = ${value}, ${error} off`);
  });
});

test("functions reach their limits and stay there", () => {
  const far = Float32Array.of(-Infinity, -200, 200, Infinity);
  assert.deepEqual([...evaluate((m, v) => m.exp(v, v), far)], [0, 0, Infinity, Infinity]);
  assert.deepEqual([...evaluate((m, v) => m.sigmoid(v, v), far)], [0, 0, 1, 1]);
  assert.deepEqual([...evaluate((m, v) => m.tanh(v, v), far)], [-1, -1, 1, 1]);
});
