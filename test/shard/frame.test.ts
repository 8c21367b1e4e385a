import assert from "node:assert/strict";
import { test } from "node:test";
import { SltrainError } from "../../src/errors.ts";
import {
  decodeFrame,
  encodeFrame,
  FRAME_HEADER_BYTES,
  frameLength,
  type FrameContent,
  type FrameIdentity,
  runNumber,
} from "../../src/shard/frame.ts";

const identity: FrameIdentity = {
  run: runNumber("run-1"),
  lane: 0,
  level: 1,
  step: 41,
  bucket: 2,
  piece: 1,
  rank: 3,
  elements: 5,
};
const codec = { id: 1, parameter: 70_000 };
const content: FrameContent = {
  generation: 2,
  contributors: 1,
  weight: 32.5,
  scalars: Float64Array.of(0.25, -1e300),
  peaks: Uint32Array.of(72, 4_000_000_000, 7),
  absent: Uint32Array.of(3, 70_000),
  zstd: false,
};
const payload = Uint8Array.from({ length: 20 }, (_, i) => i * 11);
const bytes = Buffer.concat(
  encodeFrame(identity, codec, content, [payload.subarray(0, 7), payload.subarray(7)]),
);
const detected = (error: unknown): boolean =>
  error instanceof SltrainError &&
  ["frame-damaged", "frame-foreign"].includes(error.code) &&
  error.message.includes("some/key");

test("a frame comes back as it was encoded", () => {
  const frame = decodeFrame("some/key", bytes, identity, [codec]);
  assert.deepEqual({ ...frame, payload: Uint8Array.from(frame.payload) }, { ...content, codec, payload });
  assert.equal(frame.payload.buffer, bytes.buffer);
});

test("a frame encoded from shared memory is the same", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(20));
  shared.set(payload);
  assert.deepEqual(Buffer.concat(encodeFrame(identity, codec, content, [shared])), bytes);
});

test("every flipped bit is detected", () => {
  for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => decodeFrame("some/key", flipped, identity, [codec]), detected, `bit ${bit}`);
  }
});

test("every changed byte is detected", () => {
  for (let i = 0; i < bytes.byteLength; i++) {
    for (const value of [0x00, 0xff, bytes[i]! + 1]) {
      const changed = Uint8Array.from(bytes);
      changed[i] = value;
      if (changed[i] === bytes[i]) continue;
      assert.throws(() => decodeFrame("some/key", changed, identity, [codec]), detected, `byte ${i}`);
    }
  }
});

test("every cut and every added byte is detected", () => {
  for (let length = 0; length < bytes.byteLength; length++) {
    assert.throws(
      () => decodeFrame("some/key", bytes.subarray(0, length), identity, [codec]),
      detected,
      `length ${length}`,
    );
  }
  assert.throws(
    () => decodeFrame("some/key", Buffer.concat([bytes, Buffer.alloc(1)]), identity, [codec]),
    detected,
  );
  for (let i = 0; i < bytes.byteLength; i++) {
    const without = Buffer.concat([bytes.subarray(0, i), bytes.subarray(i + 1)]);
    assert.throws(() => decodeFrame("some/key", without, identity, [codec]), detected, `byte ${i} cut out`);
  }
});

test("a whole frame of another origin is foreign, and the message names the key and both values", () => {
  const others: Partial<FrameIdentity>[] = [
    { run: runNumber("run-2") },
    { lane: 1 },
    { level: 0 },
    { step: 40 },
    { bucket: 0 },
    { piece: 0 },
    { rank: 2 },
    { elements: 6 },
  ];
  for (const other of others) {
    const [field, want] = Object.entries(other)[0]!;
    assert.throws(
      () => decodeFrame("some/key", bytes, { ...identity, ...other }, [codec]),
      (error: unknown) => {
        assert.ok(error instanceof SltrainError);
        assert.equal(error.code, "frame-foreign");
        const got = identity[field as keyof FrameIdentity];
        assert.equal(error.message, `frame some/key: expected ${field} ${want}, but got ${got}`);
        return true;
      },
    );
  }
});

test("a frame says which of the codecs that may be it was encoded with", () => {
  const others = [
    { id: 1, parameter: 7 },
    { id: 9, parameter: 70_000 },
  ];
  assert.equal(decodeFrame("some/key", bytes, identity, [...others, codec]).codec, codec);
  assert.throws(
    () => decodeFrame("some/key", bytes, identity, others),
    /expected codec 1\/7 or 9\/70000, but got 1\/70000/,
  );
});

test("frames that follow each other are told apart by their length", () => {
  const two = Buffer.concat([bytes, bytes]);
  assert.equal(frameLength(two), bytes.byteLength);
  assert.equal(frameLength(two.subarray(bytes.byteLength)), bytes.byteLength);
  assert.equal(frameLength(bytes.subarray(0, FRAME_HEADER_BYTES - 1)), Infinity);
});

test("a frame of another version is foreign", () => {
  const next = Uint8Array.from(bytes);
  next[4] = 5;
  assert.throws(() => decodeFrame("some/key", next, identity, [codec]), /expected version 4, but got 5/);
});

test("the payload is aligned for f64 if the frame is", () => {
  const frame = decodeFrame(
    "some/key",
    new Uint8Array(new ArrayBuffer(200), 0, bytes.byteLength).map((_, i) => bytes[i]!),
    identity,
    [codec],
  );
  assert.equal(frame.payload.byteOffset % 8, 0);
  assert.equal(FRAME_HEADER_BYTES % 8, 0);
});

test("the run's number depends on every character of its id", () => {
  assert.notEqual(runNumber("a"), runNumber("b"));
  assert.equal(runNumber("a"), runNumber("a"));
});
