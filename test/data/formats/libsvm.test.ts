import assert from "node:assert/strict";
import { test } from "node:test";
import { libsvmFormat, zeroBasedLibsvmFormat } from "../../../src/data/formats/libsvm.ts";
import { RandomStream } from "../../../src/random.ts";
import { randomChunks, readRows, textFile } from "./read.ts";

const read = (text: string, options = {}) => readRows(libsvmFormat, textFile(text), options);
const lines = (...records: string[]) => records.join("\n") + "\n";

test("rows keep their non-zeros alone, by columns from 0", async () => {
  const { rows, labels, facts } = await read(lines("+1 1:0.5 4:-2e3", "-1", "+1 2:1 3:0 5:7"));
  assert.deepEqual(rows, [
    [
      [0, 0.5],
      [3, -2000],
    ],
    [],
    [
      [1, 1],
      [4, 7],
    ],
  ]);
  assert.deepEqual(labels, [1, -1, 1]);
  assert.deepEqual(facts, {
    featureShape: [5],
    featureType: "csr",
    labels: { kind: "classes", values: [-1, 1], names: ["-1", "1"] },
    skippedRecords: 0,
  });
});

test("comments, query ids, empty lines, tabs, CRLF and a byte-order mark say nothing of a row", async () => {
  const { rows, labels } = await read(
    "\ufeff# made by hand\r\n1 qid:3 1:2\t3:4 # first\r\n\r\n  \t\n2 2:1#x\n  1 1:1",
  );
  assert.deepEqual(labels, [1, 2, 1]);
  assert.deepEqual(rows, [
    [
      [0, 2],
      [2, 4],
    ],
    [[1, 1]],
    [[0, 1]],
  ]);
});

test("a 0 among the first rows' indices says that they count from 0", async () => {
  const { rows, facts } = await read(lines("1 1:1 2:3", "0 0:5"));
  assert.deepEqual(rows, [
    [
      [1, 1],
      [2, 3],
    ],
    [[0, 5]],
  ]);
  assert.deepEqual(facts.featureShape, [3]);
});

test("a 0 far behind rows that counted from 1 is refused, and is none where one says so", async () => {
  const text = "1 1:1 2:1\n".repeat(150_000) + "1 0:1\n";
  await assert.rejects(read(text), {
    code: "data-libsvm-index",
    message: "a.txt: line 150001, column 3: expected indices from 1, as in the rows before, got index 0",
  });
  const { rows } = await readRows(zeroBasedLibsvmFormat, textFile(text));
  assert.deepEqual(
    [rows[0], rows.at(-1)],
    [
      [
        [1, 1],
        [2, 1],
      ],
      [[0, 1]],
    ],
  );
});

test("labels are classes where they are whole numbers, else targets", async () => {
  const meaning = async (...labels: string[]) =>
    (await read(lines(...labels.map((label) => `${label} 1:1`)))).facts.labels;
  assert.deepEqual(await meaning("7", "1", "3", "1"), {
    kind: "classes",
    values: [1, 3, 7],
    names: ["1", "3", "7"],
  });
  assert.deepEqual(await meaning("1", "0", "2"), { kind: "classes", values: [0, 1, 2] });
  assert.deepEqual(await meaning("0.5", "1"), { kind: "targets" });
  const many = Array.from({ length: 1001 }, (_, i) => String(i));
  assert.deepEqual(await meaning(...many), { kind: "targets" });
});

test("the user may say what labels are", async () => {
  const meaning = async (labelKind: "classes" | "targets", ...labels: string[]) =>
    (await read(lines(...labels.map((label) => `${label} 1:1`)), { labelKind })).facts.labels;
  assert.deepEqual(await meaning("targets", "1", "0"), { kind: "targets" });
  const many = Array.from({ length: 1001 }, (_, i) => String(i));
  assert.equal((await meaning("classes", ...many)).kind, "classes");
  await assert.rejects(meaning("classes", "1", "0.5"), {
    code: "data-label",
    message: /line 2: .* got "0.5"$/,
  });
});

test("what cannot be read is named by line and column, with what was expected", async () => {
  for (const [line, code, message] of [
    ["1 1:1 3:x", "data-libsvm", 'column 7: expected index:value with a finite f32 number, got "3:x"'],
    ["1 1:1 3", "data-libsvm", 'column 7: expected index:value with a finite f32 number, got "3"'],
    ["1 1:1e39", "data-libsvm", 'column 3: expected index:value with a finite f32 number, got "1:1e39"'],
    ["1 1:2:3", "data-libsvm", 'column 3: expected index:value with a finite f32 number, got "1:2:3"'],
    ["1 -1:2", "data-libsvm", 'column 3: expected index:value with a finite f32 number, got "-1:2"'],
    ["1 1:1 qid:4", "data-libsvm", 'column 7: expected index:value with a finite f32 number, got "qid:4"'],
    ["1 2:1 2:1", "data-libsvm-index", "column 7: expected indices that rise, above 2, got index 2"],
    [
      "1 4294967295:1",
      "data-libsvm-index",
      "column 3: expected an index of at most 4294967294, got 4294967295",
    ],
    ["a 1:1", "data-label", 'column 1: expected a finite number as label, got "a"'],
    ["nan 1:1", "data-label", 'column 1: expected a finite number as label, got "nan"'],
    ["1,3 1:1", "data-label", 'column 1: expected a finite number as label, got "1,3", several labels'],
    ["1:1 2:1", "data-label", 'column 1: expected a finite number as label, got "1:1"'],
  ]) {
    const text = lines("1 1:1", "", line!, "1 1:1");
    await assert.rejects(read(text), { code: code!, message: `a.txt: line 3, ${message}` }, line);
    const { count, facts } = await read(text, { onBadRecord: "skip" });
    assert.deepEqual([count, facts.skippedRecords], [2, 1], line);
  }
});

test("content is recognised by its first line, also where the head ends in the midst of it", () => {
  const matches = (text: string) => libsvmFormat.matches(new TextEncoder().encode(text), "a");
  for (const text of [
    "1 1:2\n",
    "-1 3:1 \r\n",
    "\n+1 qid:1 2:0.5 # x\n",
    "0.5 0:1",
    `# x\n1 ${"1:1 ".repeat(2000)}`,
  ]) {
    assert.ok(matches(text), text.slice(0, 20));
  }
  for (const text of ["", "1,2,3\n", "a 1:2\n", "1\n2 1:1\n", "1 2 3\n", '"1 1:2"', "12:30 1:1\n"]) {
    assert.ok(!matches(text), text);
  }
});

test("random rows come out as they were written, wherever the chunks end", async () => {
  const random = new RandomStream(11, "rows");
  const below = (limit: number) => random.nextInt(limit);
  const rows = Array.from({ length: 400 }, () => {
    let column = -1;
    return Array.from({ length: below(12) }, (): [number, number] => [
      (column += 1 + below(40)),
      Math.fround((random.nextUniform() - 0.5) * 10 ** (below(20) - 10)),
    ]);
  });
  const labels = rows.map(() => below(5));
  const text = lines(
    ...rows.map((row, i) =>
      [labels[i], ...row.map(([c, v]) => `${c + 1}:${v}`)].join(" ".repeat(1 + below(2))),
    ),
  );
  for (let seed = 0; seed < 20; seed++) {
    const got = await readRows(libsvmFormat, textFile(text, randomChunks(seed, 1 + seed * 50)));
    assert.deepEqual(got.rows, rows);
    assert.deepEqual(got.labels, labels);
  }
});

test("blocks and their borders do not depend on the stream's chunks", async () => {
  const text = lines(...Array.from({ length: 40_000 }, (_, i) => `${i % 3} ${i + 1}:1 ${i + 50_000}:0.25`));
  assert.ok(text.length < 2 ** 20);
  const long = text.repeat(3);
  const whole = await readRows(libsvmFormat, textFile(long, long.length));
  const pieces = await readRows(libsvmFormat, textFile(long, 1000));
  assert.ok(whole.blocks > 1);
  assert.deepEqual(pieces, whole);
});

test("a line that is longer than a window is one row", async () => {
  const pairs = Array.from({ length: 200_000 }, (_, i) => `${i + 1}:0.5`).join(" ");
  const { rows, count } = await read(lines("1 1:1", `2 ${pairs}`, "1 3:1"));
  assert.equal(count, 3);
  assert.equal(rows[1]!.length, 200_000);
});
