import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { loadDataset } from "../../src/data/known.ts";
import { readCsv } from "../../src/data/sources/csv.ts";
import { temporaryFolder, writeData } from "./files.ts";

const read = (text: string) => readCsv(Buffer.from(text), "a.csv");
const lines = (...records: string[]) => records.join("\n") + "\n";

test("a header is recognised by its names, and its label column may stand anywhere", () => {
  const table = read(lines("a,Label,b", "1,0,2", "3,1,4"));
  assert.deepEqual([...table.features], [1, 2, 3, 4]);
  assert.deepEqual([[...table.labels], table.classes, table.featureShape], [[0, 1], 2, [2]]);
});

test("without a header all lines are records and the last column is the label", () => {
  for (const text of [
    "1,2,0\n3,4,1",
    "1;2;0\n\n3;4;1\n",
    "1\t2\t0\r\n3\t4\t1\r\n",
    '\ufeff"1", 2,0\n3,4 ,1',
  ]) {
    const table = read(text);
    assert.deepEqual(
      [[...table.features], [...table.labels]],
      [
        [1, 2, 3, 4],
        [0, 1],
      ],
      JSON.stringify(text),
    );
  }
});

test("a header of numbers with a label name is a header", () => {
  assert.equal(read(lines("0,1,label", "5,6,1", "7,8,0")).labels.length, 2);
});

test("text labels become classes in alphabetical order, whatever the order of lines", () => {
  const forward = read(lines("1,setosa", "2,virginica", "3,setosa"));
  assert.deepEqual(forward.classNames, ["setosa", "virginica"]);
  assert.ok(forward.labels instanceof Int32Array);
  assert.deepEqual([...forward.labels], [0, 1, 0]);
  assert.deepEqual([...read(lines("2,virginica", "1,setosa")).labels], [1, 0]);
});

test("other numbers are regression targets", () => {
  const table = read(lines("rooms,y", "1,0.5", "2,-3"));
  assert.ok(table.labels instanceof Float32Array);
  assert.deepEqual([[...table.labels], table.classes], [[0.5, -3], 0]);
});

test("a column called label or class holds classes: other numbers are out of range", () => {
  assert.throws(() => read(lines("a,label", "1,0", "2,-1")), {
    code: "data-label",
    message: 'a.csv: column "label", line 3: expected a class in 0..999 or a name, got "-1"',
  });
  assert.throws(() => read(lines("a,class", "1,1000", "2,1")), { code: "data-label" });
});

test("an empty label and a label NaN are refused", () => {
  for (const label of ["", "NaN", "inf"]) {
    assert.throws(() => read(lines("1,0", `2,${label}`)), { code: "data-label", message: /line 2/ });
  }
});

test("what is no finite number is named by line and column", () => {
  for (const cell of ["NaN", "", "x", "1e39", "Infinity"]) {
    assert.throws(() => read(lines("a,b,y", "1,2,0", `1,${cell},0`)), {
      code: "data-nan",
      message: `a.csv: line 3, column "b": expected a finite f32 number, got ${cell === "" ? "nothing" : `"${cell}"`}`,
    });
  }
});

test("a ragged record is named by its line", () => {
  assert.throws(() => read(lines("1,2,0", "1,2,0", "1,2")), { code: "data-ragged", message: /line 3/ });
  assert.throws(() => read(lines("1,2,0", "1,2,0,0")), { code: "data-ragged", message: /line 2/ });
});

test("an open quote and a single column are refused", () => {
  assert.throws(() => read('1,"2,0\n'), { code: "data-csv" });
  assert.throws(() => read("1\n2\n"), { code: "data-columns" });
});

const load = (t: TestContext, name: string, content: string | Uint8Array) =>
  loadDataset(writeData(temporaryFolder(t), name, content), { seed: 1 });

const table = lines("x,y", ...Array.from({ length: 40 }, (_, i) => `${i},${i % 2}`));

test("a CSV file in gzip is the same data set as the file itself", async (t) => {
  const [plain, packed] = [await load(t, "a.csv", table), await load(t, "a.csv.gz", table)];
  assert.deepEqual(packed.train.features, plain.train.features);
  assert.deepEqual([plain.train.count, plain.validation.count], [36, 4]);
});

test("columns are standardised one by one, by the training split", async (t) => {
  const records = Array.from({ length: 40 }, (_, i) => `${i},${1e6 + i * 1000},7,${i % 2}`);
  const { train } = await load(t, "a.csv", lines(...records));
  for (let column = 0; column < 3; column++) {
    const values = Array.from(
      { length: train.count },
      (_, row) =>
        train.features[3 * row + column]! * train.transform.scale[column]! + train.transform.offset[column]!,
    );
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    assert.ok(Math.abs(mean) < 1e-9);
    assert.ok(Math.abs(deviation - (column === 2 ? 0 : 1)) < 1e-9);
  }
});

test("binary content, an empty file and a header without records are refused", async (t) => {
  await assert.rejects(load(t, "a.csv", Buffer.from([0x89, 0x50, 0, 0x47])), {
    code: "data-magic",
    message: /expected IDX .* or CSV text.*begin with 89500047/,
  });
  await assert.rejects(load(t, "a.csv", ""), { code: "data-magic", message: /an empty file/ });
  await assert.rejects(load(t, "a.csv", "a,b,label\n"), { code: "data-too-small" });
});
