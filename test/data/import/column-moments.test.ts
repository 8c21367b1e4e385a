import assert from "node:assert/strict";
import { test } from "node:test";
import { columnMoments } from "../../../src/data/import/column-moments.ts";
import { RandomStream } from "../../../src/random.ts";

test("columns have the moments of a plain loop, to the bit, in any number and after wider ones", () => {
  const random = new RandomStream(3, "moments");
  for (const [rows, columns] of [
    ...[1, 2, 3, 4, 5, 28, 70_001].map((columns) => [3, columns] as const),
    ...([
      [1, 7],
      [1000, 28],
      [999, 1],
      [5000, 6],
    ] as const),
  ]) {
    const values = Float32Array.from(
      { length: rows * columns },
      (_, i) => random.nextNormal() * 10 ** (i % 7),
    );
    const { min, max, mean, squares } = columnMoments(values, columns);
    for (let c = 0; c < columns; c++) {
      const column = Array.from({ length: rows }, (_, row) => values[row * columns + c]!);
      const expected = column.reduce((sum, value) => sum + value, 0) / rows;
      assert.deepEqual(
        [min[c], max[c], mean[c], squares[c]],
        [
          Math.min(...column),
          Math.max(...column),
          expected,
          column.reduce((sum, value) => sum + (value - expected) ** 2, 0),
        ],
        `column ${c} of ${columns}, ${rows} rows`,
      );
    }
  }
});
