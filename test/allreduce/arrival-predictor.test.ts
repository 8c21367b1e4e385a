import assert from "node:assert/strict";
import { test } from "node:test";
import { ArrivalPredictor } from "../../src/allreduce/arrival-predictor.ts";
import { RandomStream } from "../../src/random.ts";

const REQUEST_MS = 20;

/** Rounds in which an object comes after `delayMs` and is asked for from the prediction on; the last prediction. */
function run(predictor: ArrivalPredictor, rounds: number, delayMs: () => number): number {
  for (let i = 0; i < rounds; i++) {
    const comesMs = delayMs();
    const askedMs = predictor.expectedMs(0);
    const atOnce = comesMs <= askedMs;
    // A poller notices an object some time after it came.
    predictor.note(0, atOnce ? askedMs + REQUEST_MS : comesMs + REQUEST_MS, atOnce);
  }
  return predictor.expectedMs(0);
}

test("nothing is expected before anything came", () => {
  assert.equal(new ArrivalPredictor().expectedMs(3), 0);
});

test("what comes about the same time each round is expected not long before or after", () => {
  const random = new RandomStream(1, "arrivals");
  const predictor = new ArrivalPredictor();
  run(predictor, 20, () => 500 + 40 * random.nextNormal());
  let late = 0;
  for (let i = 0; i < 100; i++) {
    const expectedMs = run(predictor, 1, () => 500 + 40 * random.nextNormal());
    assert.ok(expectedMs > 200 && expectedMs < 580, `${expectedMs} ms`);
    if (expectedMs > 500) late++;
  }
  assert.ok(late < 70, `late in ${late} of 100 rounds`);
});

test("when peers become faster the prediction follows within some rounds, when they become slower too", () => {
  const predictor = new ArrivalPredictor();
  run(predictor, 30, () => 2000);
  assert.ok(run(predictor, 8, () => 200) <= 600);
  assert.ok(run(predictor, 20, () => 200) <= 240);
  assert.ok(run(predictor, 16, () => 3000) >= 2000);
});

test("one slow round changes little", () => {
  const predictor = new ArrivalPredictor();
  run(predictor, 20, () => 300);
  assert.ok(run(predictor, 1, () => 30_000) <= 340);
});

test("late is what comes after nearly all of the last rounds, once some are known", () => {
  const random = new RandomStream(2, "arrivals");
  const predictor = new ArrivalPredictor();
  const delayMs = () => 500 + 40 * random.nextNormal();
  for (let i = 0; i < 3; i++) predictor.noteLast(0, delayMs());
  assert.equal(predictor.lateMs(0), undefined);
  for (let i = 0; i < 20; i++) predictor.noteLast(0, delayMs());
  const lateMs = predictor.lateMs(0)!;
  assert.ok(lateMs > 600 && lateMs < 900, `${lateMs} ms`);
  predictor.noteLast(0, 60_000);
  assert.ok(predictor.lateMs(0)! < 900);
  assert.equal(predictor.lateMs(1), undefined);
});

test("of rounds that were all equally long, one is not late for a tenth more", () => {
  const predictor = new ArrivalPredictor();
  for (let i = 0; i < 9; i++) predictor.noteLast(2, 100);
  assert.ok(predictor.lateMs(2)! > 130);
});

test("kinds are apart", () => {
  const predictor = new ArrivalPredictor();
  predictor.note(0, 100, false);
  predictor.note(2, 700, false);
  assert.deepEqual(
    [0, 1, 2].map((kind) => predictor.expectedMs(kind)),
    [100, 0, 700],
  );
});
