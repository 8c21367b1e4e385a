import assert from "node:assert/strict";
import { test } from "node:test";
import { splitEvenly } from "../../src/shard/blocks.ts";

test("parts cover their range, begin at multiples of 64 and differ by one block", () => {
  for (const [begin, end] of [
    [0, 64],
    [64, 64 * 8],
    [640, 640 + 64 * 99 + 7],
    [0, 401_408],
  ] as const) {
    for (const count of [1, 2, 3, 8, 100]) {
      const parts = splitEvenly({ begin, end }, count);
      assert.equal(parts[0]?.begin, begin);
      assert.equal(parts.at(-1)?.end, end);
      assert.ok(parts.every((part, i) => i === 0 || part.begin === parts[i - 1]?.end));
      assert.ok(parts.every((part) => part.begin % 64 === 0 && part.end > part.begin));
      const lengths = parts.map((part) => part.end - part.begin);
      assert.ok(Math.max(...lengths) - Math.min(...lengths) <= 64 + 57);
      assert.equal(parts.length, Math.min(count, Math.ceil((end - begin) / 64)));
    }
  }
});

test("an empty range is one empty part", () => {
  assert.deepEqual(splitEvenly({ begin: 128, end: 128 }, 5), [{ begin: 128, end: 128 }]);
});
