import assert from "node:assert/strict";
import { test } from "node:test";
import { CrewSize } from "../../src/coordinator/resize.ts";

const leaseMs = 100;
/** Four leases; and four times that between two tries to grow. */
const PATIENCE_MS = 400;
const PAUSE_MS = 1600;

function sized() {
  const clock = { ms: 0 };
  return { clock, size: new CrewSize({ min: 2, max: 6, leaseMs, nowMs: () => clock.ms }) };
}

test("a crew goes on without ranks that are silent for long, but with no fewer than the least", () => {
  const { clock, size } = sized();
  assert.equal(size.without([4, 5], 6), undefined);
  clock.ms = PATIENCE_MS - 1;
  assert.equal(size.without([4, 5], 6), undefined);
  clock.ms++;
  assert.equal(size.without([4, 5], 6), 4);
  const few = sized();
  few.size.without([1, 2, 3, 4, 5], 6);
  few.clock.ms = 10 * PATIENCE_MS;
  assert.equal(few.size.without([1, 2, 3, 4, 5], 6), undefined);
});

test("who gave a sign of life meanwhile, or has just been missed, is waited for", () => {
  const { clock, size } = sized();
  size.without([4, 5], 6);
  clock.ms = PATIENCE_MS / 2;
  size.without([5], 6);
  clock.ms = PATIENCE_MS;
  assert.equal(size.without([4, 5], 6), undefined);
  clock.ms = (3 / 2) * PATIENCE_MS;
  assert.equal(size.without([4, 5], 6), undefined);
  clock.ms = 2 * PATIENCE_MS;
  assert.equal(size.without([4, 5], 6), 4);
});

test("a run that came further has missed nobody", () => {
  const { clock, size } = sized();
  size.without([5], 6);
  clock.ms = PATIENCE_MS;
  size.progressed(6);
  assert.equal(size.without([5], 6), undefined);
});

test("a smaller crew grows after a pause, which doubles with each time in a row that it has to shrink again", () => {
  const { clock, size } = sized();
  assert.equal(size.mayGrow(6), false);
  for (const pauseMs of [PAUSE_MS, 2 * PAUSE_MS, 4 * PAUSE_MS]) {
    size.shrunk();
    clock.ms += pauseMs - 1;
    size.progressed(4);
    assert.equal(size.mayGrow(4), false);
    clock.ms++;
    assert.equal(size.mayGrow(4), true);
  }
  size.progressed(6);
  size.shrunk();
  clock.ms += PAUSE_MS;
  assert.equal(size.mayGrow(4), true);
});
