import assert from "node:assert/strict";
import { test } from "node:test";
import { MappingShare } from "../../src/coordinator/mapping-share.ts";

const LEASE_MS = 1000;
const NOBODY: readonly number[] = [];

function shareOf(begin: number, end: number) {
  let now = 0;
  const options = { leaseMs: LEASE_MS, maxRestarts: 2, nowMs: () => now };
  const share = new MappingShare({ begin, end }, options);
  const done = new Set<number>();
  return {
    share,
    /** After that time, with these parts done. */
    after: (ms: number, parts: readonly number[] = [], ended = NOBODY) => {
      now += ms;
      for (const part of parts) done.add(part);
      share.look(done, ended);
      return share.startIfDue();
    },
  };
}

test("a share is started once, and left alone as long as results come", () => {
  const { share, after } = shareOf(3, 6);
  assert.deepEqual(after(0), { attempt: 0, parts: [3, 6], reason: "start" });
  assert.equal(after(4999), undefined);
  assert.equal(after(0, [3]), undefined);
  assert.equal(after(LEASE_MS - 1), undefined);
  assert.equal(after(0, [5]), undefined);
  assert.equal(after(LEASE_MS - 1, [4]), undefined);
  assert.ok(share.isDone);
});

test("what is left of a silent share is given to others, later each time, and at last to nobody", () => {
  const { after } = shareOf(0, 4);
  after(0);
  after(100, [0]);
  assert.deepEqual(after(LEASE_MS), { attempt: 1, parts: [1, 4], reason: "silent" });
  assert.equal(after(2 * 5000 - 1), undefined);
  assert.deepEqual(after(1), { attempt: 2, parts: [1, 4], reason: "silent" });
  assert.equal(after(4 * 5000 - 1), undefined);
  assert.throws(() => after(1), {
    code: "function-died",
    message: /part 1: .*none from 3 functions in a row/,
  });
});

test("a result counts all deaths before it as mended", () => {
  const { after } = shareOf(0, 3);
  after(0);
  assert.equal(after(5_000)?.attempt, 1);
  assert.equal(after(10_000)?.attempt, 2);
  assert.equal(after(1, [0]), undefined);
  assert.equal(after(LEASE_MS)?.attempt, 3);
  assert.equal(after(10_000)?.attempt, 4);
});

test("whose time is over is followed at once", () => {
  const { after } = shareOf(0, 4);
  after(0);
  assert.equal(after(10, [0, 2], [9]), undefined);
  assert.deepEqual(after(10, [], [4]), { attempt: 1, parts: [1, 4], reason: "next" });
  assert.equal(after(10), undefined);
});

test("a slow part is no death: it may take twice the longest time so far", () => {
  const { after } = shareOf(0, 4);
  after(0);
  after(900, [0]);
  after(900, [1]);
  assert.equal(after(1799), undefined);
  assert.equal(after(1)?.reason, "silent");
});

test("a share that somebody has computed before is not started", () => {
  const { share, after } = shareOf(0, 2);
  assert.equal(after(0, [0, 1]), undefined);
  assert.ok(share.isDone);
});
