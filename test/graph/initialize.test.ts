import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphBuilder, layoutOf, type Initializer } from "../../src/graph/graph.ts";
import { initializeParameters } from "../../src/graph/initialize.ts";

const glorot: Initializer = { kind: "glorot-uniform", fanIn: 30, fanOut: 24 };

function initialize(seed: number, shapes: Readonly<Record<string, readonly [number[], Initializer]>>) {
  const builder = new GraphBuilder();
  for (const [name, [shape, initializer]] of Object.entries(shapes))
    builder.parameter(name, shape, initializer);
  const { parameters } = builder.build();
  const flat = new Float32Array(layoutOf(parameters).length);
  initializeParameters(parameters, seed, flat);
  const byName = parameters.map(
    ({ name, offset, length }) => [name, flat.slice(offset, offset + length)] as const,
  );
  return { flat, tensors: Object.fromEntries(byName) };
}

test("initial values are a function of seed and name, wherever the tensor lies", () => {
  const alone = initialize(7, { w: [[30, 24], glorot] }).tensors;
  const behind = initialize(7, { first: [[5], glorot], w: [[30, 24], glorot] }).tensors;
  assert.deepEqual(alone.w, behind.w);
  assert.notDeepEqual(alone.w, initialize(8, { w: [[30, 24], glorot] }).tensors.w);
  assert.notDeepEqual(alone.w, initialize(7, { v: [[30, 24], glorot] }).tensors.v);
});

test("glorot-uniform fills its interval evenly", () => {
  const { w } = initialize(1, {
    w: [[100, 100], { kind: "glorot-uniform", fanIn: 100, fanOut: 50 }],
  }).tensors;
  const limit = Math.sqrt(6 / 150);
  assert.ok(w!.every((value) => Math.abs(value) <= limit));
  const mean = w!.reduce((sum, value) => sum + value, 0) / w!.length;
  const variance = w!.reduce((sum, value) => sum + value * value, 0) / w!.length;
  assert.ok(Math.abs(mean) < 0.02 * limit);
  assert.ok(Math.abs(variance / (limit ** 2 / 3) - 1) < 0.05);
});

test("he-normal has variance 2 / fan-in", () => {
  const { w } = initialize(1, { w: [[100, 100], { kind: "he-normal", fanIn: 8 }] }).tensors;
  const variance = w!.reduce((sum, value) => sum + value * value, 0) / w!.length;
  assert.ok(Math.abs(variance / 0.25 - 1) < 0.05);
});

test("zeros and ones are what they say, and padding stays zero", () => {
  const { flat, tensors } = initialize(1, {
    a: [[3], { kind: "ones" }],
    b: [[2], { kind: "zeros" }],
    c: [[5], glorot],
  });
  assert.deepEqual([...tensors.a!, ...tensors.b!], [1, 1, 1, 0, 0]);
  assert.equal(flat.length, 192);
  for (const [begin, end] of [
    [3, 64],
    [66, 128],
    [133, 192],
  ])
    assert.ok(flat.subarray(begin, end).every((value) => value === 0));
});
