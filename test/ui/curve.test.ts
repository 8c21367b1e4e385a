import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { type CurvePoint, drawCurve } from "../../src/ui/curve.ts";

const draw = (points: CurvePoint[], width = 60): string[] =>
  stripVTControlCharacters(
    drawCurve({ title: "loss", points, xLabel: "epoch", formatY: (y) => y.toFixed(2), width }),
  ).split("\n");

test("a falling loss is drawn from the upper left to the lower right, between its first and last x", () => {
  const lines = draw([
    [1, 2],
    [2, 1],
    [3, 0],
  ]);
  assert.equal(lines[0], "loss by epoch");
  const curve = lines.filter((line) => line.includes("━"));
  assert.match(curve[0]!, /^2\.00┤━/);
  assert.match(curve.at(-1)!, /^0\.00┤ .*━$/);
  assert.match(lines.at(-1)!, /^\s+1\s+3$/);
});

test("thousands of points fit the width and keep their mean course", () => {
  const points = Array.from({ length: 5000 }, (_, i): CurvePoint => [i, i + (i % 2 === 0 ? 400 : -400)]);
  const lines = draw(points, 70);
  for (const line of lines) assert.ok(line.length <= 70, line);
  // The noise of +-400 is averaged away: the drawn range is close to 0..5000.
  const top = Number(/^\s*([\d.]+)┤/.exec(lines.find((line) => line.includes("┤"))!)![1]);
  assert.ok(top > 4900 && top < 5050, String(top));
});

test("points that are not finite are left out", () => {
  const lines = draw([
    [1, 2],
    [2, NaN],
    [3, Infinity],
    [4, 1],
  ]);
  assert.match(lines.join("\n"), /2\.00┤/);
});

test("a flat curve is one line", () => {
  const lines = draw([
    [1, 0.5],
    [2, 0.5],
  ]);
  assert.equal(lines.filter((line) => line.includes("━")).length, 1);
});

test("without two points there is no curve but a sentence", () => {
  assert.deepEqual(draw([]), ["loss: no points yet"]);
  assert.deepEqual(draw([[3, 0.25]]), ["loss: 0.25 at epoch 3"]);
});
