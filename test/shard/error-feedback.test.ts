import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { type BiasedCodec, roomFor } from "../../src/shard/codec/codec.ts";
import { sign } from "../../src/shard/codec/sign.ts";
import { topK } from "../../src/shard/codec/top-k.ts";
import { encodeWithFeedback } from "../../src/shard/error-feedback.ts";

const LENGTH = 2100;
const biased: readonly BiasedCodec[] = [sign, topK(50_000)];

function gradient(step: number): Float32Array {
  const random = new RandomStream(8, "feedback", step);
  return Float32Array.from({ length: LENGTH }, (_, i) => (i % 10) + random.nextNormal());
}

for (const codec of biased) {
  const sent = new Float32Array(LENGTH);
  const send = (values: Float32Array, residual: Float32Array): Float32Array => {
    codec.decode(encodeWithFeedback(codec, values, residual, roomFor(codec, LENGTH), 0), sent);
    return sent;
  };

  test(`${codec.name}: what is sent and what stays are what was given`, () => {
    const residual = gradient(100);
    const given = gradient(0).map((value, i) => value + residual[i]!);
    const got = send(gradient(0), residual);
    given.forEach((value, i) =>
      assert.ok(Math.abs(got[i]! + residual[i]! - value) <= 1e-6 * Math.abs(value) + 1e-6),
    );
  });

  test(`${codec.name}: over many steps everything is sent, in the end, and without feedback it is not`, () => {
    const steps = 300;
    const [given, fed, unfed] = [0, 0, 0].map(() => new Float64Array(LENGTH)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const residual = new Float32Array(LENGTH);
    for (let step = 0; step < steps; step++) {
      const values = gradient(step);
      values.forEach((value, i) => (given[i]! += value / steps));
      send(values, residual).forEach((value, i) => (fed[i]! += value / steps));
      send(values, new Float32Array(LENGTH)).forEach((value, i) => (unfed[i]! += value / steps));
    }
    const distance = (mean: Float64Array) => Math.hypot(...mean.map((value, i) => value - given[i]!));
    assert.ok(distance(fed) < distance(unfed) / 4, `${distance(fed)}, ${distance(unfed)}`);
  });

  test(`${codec.name}: the values stay as they are`, () => {
    const values = gradient(0);
    send(values, new Float32Array(LENGTH));
    assert.deepEqual(values, gradient(0));
  });

  test(`${codec.name}: a NaN is sent at once`, () => {
    assert.ok(send(gradient(0).with(1000, NaN), new Float32Array(LENGTH)).some(Number.isNaN));
  });
}
