import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { f32 } from "../../src/shard/codec/f32.ts";
import type { Frame } from "../../src/shard/frame.ts";
import { packPayload, unpackPayload } from "../../src/shard/payload.ts";
import { loadZstd } from "../../src/shard/zstd.ts";

const zstd = await loadZstd();
const frameOf = (payload: Uint8Array, compressed: boolean): Frame => ({
  generation: 0,
  contributors: 1,
  weight: 1,
  scalars: new Float64Array(0),
  zstd: compressed,
  payload,
});

test("what zstd makes smaller is compressed, and comes back", async () => {
  const encoded = new Uint8Array(40_000);
  const payload = await packPayload(encoded, zstd);
  assert.equal(payload.zstd, true);
  const frame = frameOf(Buffer.concat(payload.parts), true);
  assert.deepEqual(Uint8Array.from(await unpackPayload("key", frame, f32, zstd, 10_000)), encoded);
});

test("what zstd does not make smaller is stored raw, without a copy", async () => {
  const random = new RandomStream(3, "noise");
  const noise = new Uint8Array(Uint32Array.from({ length: 1000 }, () => random.nextU32()).buffer);
  const payload = await packPayload(noise, zstd);
  assert.deepEqual([payload.zstd, payload.parts.length, payload.parts[0]], [false, 1, noise]);
  const frame = frameOf(noise, false);
  assert.equal(await unpackPayload("key", frame, f32, zstd, 1000), noise);
});

test("a payload of several blocks comes back", async () => {
  const encoded = new Uint8Array(3_000_000).map((_, i) => i >> 8);
  const payload = await packPayload(encoded, zstd);
  assert.equal(payload.parts.length, 3);
  const back = await unpackPayload("key", frameOf(Buffer.concat(payload.parts), true), f32, zstd, 750_000);
  assert.equal(Buffer.compare(back, encoded), 0);
});

test("a payload of another length or that zstd cannot read is damage that names the key", async () => {
  const damaged = { code: "frame-damaged", message: /some\/key/ };
  const rejects = (frame: Frame, length: number) =>
    assert.rejects(async () => unpackPayload("some/key", frame, f32, zstd, length), damaged);
  await rejects(frameOf(new Uint8Array(8), false), 3);
  await rejects(frameOf(new Uint8Array(8), true), 2);
  const { parts } = await packPayload(new Uint8Array(4000), zstd);
  await rejects(frameOf(Buffer.concat(parts), true), 999);
  await rejects(frameOf(Buffer.concat(parts), true), 1001);
});
