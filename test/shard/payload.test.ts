import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../src/random.ts";
import { type Encoded, roomFor } from "../../src/shard/codec/codec.ts";
import { f32Planes as f32 } from "../../src/shard/codec/f32-planes.ts";
import { decodeFrame, encodeFrame, type Frame, type FrameIdentity } from "../../src/shard/frame.ts";
import { maxFrameBytes, packPayload, unpackPayload } from "../../src/shard/payload.ts";
import { loadZstd } from "../../src/shard/zstd.ts";

const zstd = await loadZstd();
const frameOf = (parts: readonly Uint8Array[], compressed: boolean): Pick<Frame, "zstd" | "payload"> => ({
  zstd: compressed,
  payload: Buffer.concat(parts),
});
const encode = (values: Float32Array): Encoded => f32.encode(values, roomFor(f32, values.length), 0);

function noise(length: number): Float32Array {
  const random = new RandomStream(3, "noise");
  return new Float32Array(Uint32Array.from({ length }, () => random.nextU32()).buffer);
}

function gradient(length: number): Float32Array {
  const random = new RandomStream(3, "gradient");
  return Float32Array.from({ length }, () => random.nextNormal());
}

test("the compressible part is compressed where that makes it smaller, the rest stays as it is", async () => {
  const encoded = encode(gradient(10_000));
  const payload = await packPayload(encoded, zstd);
  assert.equal(payload.zstd, true);
  assert.equal(payload.parts[0], encoded.rest);
  const frame = frameOf(payload.parts, true);
  assert.ok(frame.payload.byteLength < 37_000);
  const back = await unpackPayload("key", frame, f32, zstd, 10_000);
  assert.equal(back.rest.buffer, frame.payload.buffer);
  assert.equal(Buffer.compare(back.rest, encoded.rest), 0);
  assert.equal(Buffer.compare(back.compressible, encoded.compressible), 0);
});

test("what zstd does not make smaller is stored raw, without a copy", async () => {
  const encoded = encode(noise(1001));
  const payload = await packPayload(encoded, zstd);
  assert.deepEqual(payload, { zstd: false, parts: [encoded.rest, encoded.compressible] });
  assert.equal(payload.parts[1], encoded.compressible);
  const frame = frameOf(payload.parts, false);
  const back = await unpackPayload("key", frame, f32, zstd, 1001);
  assert.equal(back.compressible.buffer, frame.payload.buffer);
  assert.equal(Buffer.compare(back.compressible, encoded.compressible), 0);
});

test("a payload of several zstd blocks comes back", async () => {
  const encoded = encode(new Float32Array(2_500_000).map((_, i) => i >> 8));
  const payload = await packPayload(encoded, zstd);
  assert.equal(payload.parts.length, 1 + 3);
  const back = await unpackPayload("key", frameOf(payload.parts, true), f32, zstd, 2_500_000);
  assert.equal(Buffer.compare(back.compressible, encoded.compressible), 0);
});

test("a payload of another length or that zstd cannot read is damage that names the key", async () => {
  const damaged = { code: "frame-damaged", message: /some\/key/ };
  const rejects = (frame: ReturnType<typeof frameOf>, length: number) =>
    assert.rejects(async () => unpackPayload("some/key", frame, f32, zstd, length), damaged);
  for (const sizeBytes of [0, 8, 11, 13]) await rejects(frameOf([new Uint8Array(sizeBytes)], false), 3);
  await rejects(frameOf([new Uint8Array(8)], true), 2);
  await rejects(frameOf([new Uint8Array(5)], true), 2);
  const { parts } = await packPayload(encode(new Float32Array(1000)), zstd);
  await rejects(frameOf(parts, true), 999);
  await rejects(frameOf(parts, true), 1001);
});

test("a frame is never larger than was promised, and every flipped, cut or added byte of it is detected", async () => {
  const identity: FrameIdentity = {
    ...{ run: 1n, lane: 0, level: 0, step: 0, bucket: 0, piece: 0, rank: 0 },
    elements: 33,
  };
  for (const values of [noise(33), new Float32Array(33)]) {
    const { zstd: compressed, parts } = await packPayload(encode(values), zstd);
    const content = {
      generation: 0,
      contributors: 1,
      weight: 1,
      scalars: Float64Array.of(1),
      peaks: Uint32Array.of(2),
      absent: Uint32Array.of(5, 6),
      zstd: compressed,
    };
    const bytes = Buffer.concat(encodeFrame(identity, f32, content, parts));
    assert.ok(bytes.byteLength <= maxFrameBytes(f32, 33, 1, 3));
    const read = (changed: Uint8Array) => {
      const frame = decodeFrame("key", changed, identity, [f32]);
      return unpackPayload("key", frame, f32, zstd, 33);
    };
    await read(bytes);
    const refuses = (changed: Uint8Array) => assert.rejects(async () => read(changed), /frame key: expected/);
    for (let i = 0; i < bytes.byteLength; i++) {
      await refuses(Uint8Array.from(bytes).with(i, bytes[i]! ^ (1 << (i % 8))));
      await refuses(bytes.subarray(0, i));
      await refuses(Buffer.concat([bytes.subarray(0, i), Uint8Array.of(i), bytes.subarray(i)]));
    }
  }
});
