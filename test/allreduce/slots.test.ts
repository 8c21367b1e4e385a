import assert from "node:assert/strict";
import { test } from "node:test";
import { packSlots, slotBytesFor, slotRange, unpackSlot } from "../../src/allreduce/slots.ts";

const frame = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => i * seed + 1);

test("frames come back from their slots, those that are longer with the end of the object's tail", () => {
  const frames = [frame(10, 3), frame(100, 5), frame(56, 7), frame(200, 11)];
  const slotBytes = 64;
  const object = Buffer.concat(
    packSlots(
      frames.map((bytes) => [bytes.subarray(0, 7), bytes.subarray(7)]),
      slotBytes,
    ),
  );
  assert.equal(object.byteLength, 4 * 64 + (108 - 64) + (208 - 64));
  frames.forEach((want, i) => {
    const { begin, end } = slotRange(i, slotBytes);
    const into = new Uint8Array(slotBytesFor(0, 200));
    into.set(object.subarray(begin, end));
    const slot = unpackSlot("key", into.subarray(0, slotBytes), into.byteLength);
    assert.equal(slot.overflow !== undefined, want.byteLength > 56);
    if (slot.overflow !== undefined) {
      const { range, at } = slot.overflow;
      into.set(object.subarray(range.begin, range.end), at);
    }
    assert.deepEqual(into.slice(slot.frame.begin, slot.frame.end), want);
  });
});

test("slots have room for a little more than the last round's largest frame, but for no more than there can be", () => {
  assert.equal(slotBytesFor(0, 1000), 1008);
  assert.equal(slotBytesFor(160, 1000), 184);
  assert.equal(slotBytesFor(999, 1000), 1008);
});

test("a slot that speaks of a frame for which there is no room is damaged", () => {
  const slot = new Uint8Array(64);
  new DataView(slot.buffer).setUint32(0, 1000, true);
  assert.throws(() => unpackSlot("some/key", slot, 512), { code: "frame-damaged", message: /some\/key/ });
  assert.throws(() => unpackSlot("some/key", slot.subarray(0, 5), 512), { code: "frame-damaged" });
});
