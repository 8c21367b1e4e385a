import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { drawMergeTree } from "../../src/ui/tree.ts";

const draw = (layers: number[], width: number): string[] =>
  stripVTControlCharacters(drawMergeTree(layers, width)).split("\n");

test("each layer is a line, and the groups between two layers show who merges whom", () => {
  assert.deepEqual(draw([1, 2, 5], 80), [
    "1  root          ●",
    "   merges 2      ├──┐",
    "2  mergers       ●  ●",
    "   merge 2 to 3  ├──┐  ├──┬──┐",
    "5  workers       ○  ○  ○  ○  ○",
  ]);
});

test("one worker has one root", () => {
  assert.deepEqual(draw([1, 1], 80), ["1  root      ●", "   merges 1  │", "1  workers   ○"]);
});

test("no line is wider than the width, and cut layers say so", () => {
  for (const layers of [
    [1, 5, 22, 100],
    [1, 100],
    [1, 18, 316, 5623, 100_000],
  ]) {
    for (const width of [40, 80, 81, 100]) {
      const lines = draw(layers, width);
      assert.equal(lines.length, 2 * layers.length - 1);
      for (const line of lines) assert.ok(line.length <= width, `${line.length} > ${width}: ${line}`);
      assert.match(lines.at(-1)!, /○{3,}…$/);
    }
  }
});

test("a layer that just fits is not cut", () => {
  assert.equal(draw([1, 65], 80).at(-1), `65  workers    ${"○".repeat(65)}`);
  assert.equal(draw([1, 66], 80).at(-1), `66  workers    ${"○".repeat(64)}…`);
});

test("a hopelessly narrow terminal still gets a few functions of each layer", () => {
  assert.equal(draw([1, 30], 10).at(-1), "30  workers    ○○○○○○○…");
});
