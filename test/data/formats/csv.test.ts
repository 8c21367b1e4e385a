import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "csv-parse/sync";
import { csvFormat, openCsvFeatures } from "../../../src/data/formats/csv.ts";
import type { ReadOptions } from "../../../src/data/format.ts";
import { RandomStream } from "../../../src/random.ts";
import { randomChunks, readRows, textFile } from "./read.ts";

const lines = (...records: string[]) => records.join("\n") + "\n";

async function read(text: string, options: Partial<ReadOptions> = {}) {
  const { rows, facts, labels } = await readRows(csvFormat, textFile(text, 7, "a.csv"), options);
  const classOf = (label: number) =>
    facts.labels.kind === "classes" ? facts.labels.values.indexOf(label) : label;
  return {
    features: rows.map((row) => row.map(([, value]) => value)),
    rows,
    facts,
    labels: labels.map(classOf),
  };
}

test("a header is recognised by its names, and its label column may stand anywhere", async () => {
  const { features, labels, facts } = await read(lines("a,Label,b", "1,0,2", "3,1,4"));
  assert.deepEqual(features, [
    [1, 2],
    [3, 4],
  ]);
  assert.deepEqual(labels, [0, 1]);
  assert.deepEqual(facts, {
    featureShape: [2],
    featureType: "f32",
    labels: { kind: "classes", values: [0, 1] },
    featureNames: ["a", "b"],
    skippedRecords: 0,
  });
});

test("without a header all lines are records and the last column is the label", async () => {
  for (const text of [
    "1,2,0\n3,4,1",
    "1;2;0\n\n3;4;1\n",
    "1\t2\t0\r\n3\t4\t1\r\n",
    '\ufeff"1", 2,0\n3,4 ,1',
    '\n \n"1","2","0"\r\n  3 , 4, 1 \r\n',
    "+1,2.,0\n0x3,4e0,1\n",
  ]) {
    const { features, labels, facts } = await read(text);
    assert.deepEqual(
      [features, labels],
      [
        [
          [1, 2],
          [3, 4],
        ],
        [0, 1],
      ],
      JSON.stringify(text),
    );
    assert.equal(facts.featureNames, undefined);
  }
});

test("a semicolon separates columns of numbers that have decimal commas, which are then refused", async () => {
  await assert.rejects(read(lines("a;b;y", "1,5;2,5;0", "1,5;2,5;1")), {
    code: "data-nan",
    message: /line 2, column "a": expected a finite f32 number, got "1,5"/,
  });
});

test("a header of numbers with a label name is a header", async () => {
  assert.equal((await read(lines("0,1,label", "5,6,1", "7,8,0"))).labels.length, 2);
});

test("text labels become classes in alphabetical order, whatever the order of lines", async () => {
  const forward = await read(lines("1,setosa", "2,virginica", '3,"setosa"', "4, 12 "));
  assert.deepEqual("names" in forward.facts.labels && forward.facts.labels.names, [
    "12",
    "setosa",
    "virginica",
  ]);
  assert.deepEqual(forward.labels, [1, 2, 1, 0]);
  assert.deepEqual((await read(lines("2,virginica", "1,setosa"))).labels, [1, 0]);
});

test("classes by number keep their numbers, other numbers are targets", async () => {
  assert.deepEqual((await read(lines("1,0", "1,3"))).facts.labels, { kind: "classes", values: [0, 1, 2, 3] });
  const { labels, facts } = await read(lines("rooms,y", "1,0.5", "2,-3"));
  assert.deepEqual([labels, facts.labels], [[0.5, -3], { kind: "targets" }]);
  const many = Array.from({ length: 70_000 }, (_, i) => `1,${i}`);
  assert.deepEqual((await read(lines(...many))).facts.labels, { kind: "targets" });
});

test("a column called label or class holds classes: other numbers are out of range", async () => {
  await assert.rejects(read(lines("a,label", "1,0", "2,-1")), {
    code: "data-label",
    message: 'a.csv: column "label", line 3: expected a class in 0..999 or a name, got "-1"',
  });
  await assert.rejects(read(lines("a,class", "1,1000", "2,1")), { code: "data-label" });
});

test("the user may say what labels are", async () => {
  const ages = lines("height,age", "150,20", "160,80");
  assert.equal((await read(ages)).facts.labels.kind, "classes");
  const targets = await read(ages, { labelKind: "targets" });
  assert.deepEqual([targets.labels, targets.facts.labels], [[20, 80], { kind: "targets" }]);
  const classes = await read(lines("a,label", "1,1000", "2,-1"), { labelKind: "classes" });
  assert.deepEqual(classes.labels, [1, 0]);
  assert.deepEqual(classes.facts.labels, { kind: "classes", values: [-1, 1000], names: ["-1", "1000"] });
  for (const [labelKind, text, wanted] of [
    ["targets", lines("a,y", "1,3", "2,b"), 'line 3: expected a number, to be a target, got "b"'],
    [
      "classes",
      lines("a,y", "1,3", "2,0.5"),
      'line 3: expected a whole number or a name, to be a class, got "0.5"',
    ],
  ] as const) {
    await assert.rejects(read(text, { labelKind }), {
      code: "data-label",
      message: `a.csv: column "y", ${wanted}`,
    });
  }
});

test("the label's column can be named, or numbered from 0", async () => {
  const text = lines("yes,1,a", "no,2,b");
  const { features, labels } = await read(lines("1,1,a", "0,2,b").replaceAll(/,[ab]/g, ""), {
    labelColumn: "0",
  });
  assert.deepEqual(
    [features, labels],
    [
      [[1], [2]],
      [1, 0],
    ],
  );
  assert.deepEqual((await read(text.replaceAll(/,[ab]/g, ""), { labelColumn: "0" })).labels, [1, 0]);
  assert.deepEqual((await read(lines("m,n", "3,4"), { labelColumn: "m" })).features, [[4]]);
  await assert.rejects(read(text, { labelColumn: "3" }), {
    code: "data-columns",
    message: "a.csv: expected a label column of 0..2, got 3",
  });
  await assert.rejects(read(lines("income,age", "1,2"), { labelColumn: "incme" }), {
    code: "data-columns",
    message: 'a.csv: expected a header with a column "incme", got income, age',
    suggestions: [
      "Did you mean --label-column income?",
      "Name the label's column by the header's name for it, or by its number from 0: --label-column 0.",
    ],
  });
});

test("what is no label or no number is named by line and column", async () => {
  for (const label of ["", "NaN", "inf", "1e999"]) {
    const got = label === "" ? "nothing" : `"${label}"`;
    await assert.rejects(read(lines("1,0", `2,${label}`)), {
      code: "data-label",
      message: `a.csv: line 2, column "2": expected a label, got ${got}`,
    });
  }
  for (const cell of ["NaN", "", "x", "1e39", "Infinity", '" "', "1 2", "--1", "1e"]) {
    const got = cell === "" ? "nothing" : cell === '" "' ? "nothing" : `"${cell}"`;
    await assert.rejects(read(lines("a,b,y", '"1",2,0', `1,${cell},0`)), {
      code: "data-nan",
      message: `a.csv: line 3, column "b": expected a finite f32 number, got ${got}`,
    });
  }
});

test("ragged records, open quotes and stray quotes are named by their line", async () => {
  await assert.rejects(read(lines("1,2,0", "1,2,0", "1,2")), {
    code: "data-ragged",
    message: "a.csv: line 3, column 1: expected 3 columns, as in the first record, got 2",
  });
  await assert.rejects(read(lines("1,2,0", "1,2,0,0")), { code: "data-ragged", message: /line 2.* got 4/ });
  await assert.rejects(read(lines("1,2,0", '1,"2"x,0')), {
    code: "data-csv",
    message: /line 2, column 6: expected a separator or the line's end behind a closing quote, got "x"/,
  });
  await assert.rejects(read('1,"2,0\n'), { code: "data-csv", message: /line 1.*closing quote/ });
  await assert.rejects(read('1,2,0\n3,"2,0\n'), { code: "data-csv", message: /line 2.*closing quote/ });
  await assert.rejects(read("1\n2\n"), { code: "data-columns" });
});

test("records that cannot be read are left out and counted, each once", async () => {
  const text = lines(
    "a,b,y",
    "1,2,0",
    "x,2,0",
    "3,4",
    "5,6,",
    '7,"8"x,1',
    '"9\n9",1,1',
    "11,12,1",
    '13,"14,1',
    "15,16,0",
  );
  const { features, labels, facts } = await read(text, { onBadRecord: "skip" });
  assert.deepEqual(features, [
    [1, 2],
    [11, 12],
    [15, 16],
  ]);
  assert.deepEqual([labels, facts.skippedRecords], [[0, 1, 0], 6]);
});

test("lines are counted through newlines in quotes", async () => {
  await assert.rejects(read(lines('"a\nb",y', "1,0", '"\n2\n",1', "x,0")), {
    message: /line 7, column "a\nb": expected a finite f32 number, got "x"/,
  });
});

test("for predictions a table has the model's columns, and a label's column is left out", async () => {
  const features = async (text: string, width: number) => {
    const file = textFile(text, 64, "a.csv");
    const open = () => openCsvFeatures(file, width, { onBadRecord: "fail" });
    return (await readRows({ ...csvFormat, open }, file)).rows.map((row) => row.map(([, v]) => v));
  };
  assert.deepEqual(await features(lines("a,b", "1,2"), 2), [[1, 2]]);
  assert.deepEqual(await features(lines("1,2,7"), 2), [[1, 2]]);
  assert.deepEqual(await features(lines("y,a,b", "x,1,2"), 2), [[1, 2]]);
  assert.deepEqual(await features(lines("5"), 1), [[5]]);
  await assert.rejects(features(lines("1,2,3,4"), 2), {
    code: "data-columns",
    message: "a.csv: expected 2 feature columns, or 3 with a label, got 4",
  });
});

test("columns of text are refused with a way out, unless they are hashed", async () => {
  await assert.rejects(read(lines("a,b,y", "1,red,0")), {
    code: "data-nan",
    message: /line 2, column "b".*"red"/,
    suggestions: [
      "Fill the value in, or have columns of text hashed into features: --hash-bits 18.",
      "Or leave such records out and have them counted: --on-bad-record skip.",
    ],
  });
});

test("tables come out as csv-parse reads them, wherever the chunks end", async () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new RandomStream(seed, "table");
    const below = (limit: number) => random.nextInt(limit);
    const separator = [",", ";", "\t"][below(3)]!;
    const width = 2 + below(4);
    const cell = () => {
      const number = ((random.nextUniform() - 0.5) * 10 ** below(12)).toPrecision(1 + below(15));
      return [number, ` ${number}`, `"${number}"`, `"\n${number} "`, `${number} `, String(below(9))][
        below(6)
      ]!;
    };
    const records = Array.from({ length: 30 }, () =>
      [...Array.from({ length: width - 1 }, cell), String(below(3))].join(separator),
    );
    const text = records.join(["\n", "\r\n", "\n\n", "\n  \n"][below(4)]);
    const wanted = parse(text, { delimiter: separator, skip_empty_lines: true, trim: true }).map((record) =>
      record.map((value) => Math.fround(Number(value))),
    );
    const { rows, labels } = await readRows(csvFormat, textFile(text, randomChunks(seed, 1 + 2 * seed)));
    assert.deepEqual(
      rows.map((row, i) => [...row.map(([, value]) => value), labels[i]]),
      wanted,
      JSON.stringify(text),
    );
  }
});

test("a text that was damaged at random is read as csv-parse reads it, or refused where that refuses it", async () => {
  const clean = lines(...Array.from({ length: 6 }, (_, i) => `${i}.5,"${i}",-${i}e1,${i % 2}`));
  let refused = 0;
  for (let seed = 0; seed < 400; seed++) {
    const random = new RandomStream(seed, "damage");
    const at = random.nextInt(clean.length);
    const text =
      clean.slice(0, at) +
      ["", ",", '"', "\n", "x", " ", ".", "\r\n", "-"][random.nextInt(9)]! +
      clean.slice(at + random.nextInt(2));
    const wanted = reference(text);
    const got = await readRows(csvFormat, textFile(text, randomChunks(seed, 20))).then(
      ({ rows, labels, facts }) =>
        facts.labels.kind === "classes" && facts.labels.names
          ? undefined
          : rows.map((row, i) => [...row.map(([, value]) => value), labels[i]]),
      () => undefined,
    );
    if (!wanted) refused++;
    assert.deepEqual(got, wanted, JSON.stringify(text));
  }
  assert.ok(refused > 100 && refused < 400, `${refused} refused`);
});

/** Undefined for what is no table of four columns of numbers, under a header or not. */
function reference(text: string): number[][] | undefined {
  let records: string[][];
  try {
    records = parse(text, { delimiter: ",", skip_empty_lines: true, trim: true });
  } catch {
    return undefined;
  }
  if (records[0]?.slice(0, 3).some((value) => Number.isNaN(Number(value)))) records.shift();
  const numbers = records.map((record) => record.map((value) => (value.trim() === "" ? NaN : Number(value))));
  return numbers.every((record) => record.length === 4 && record.every(Number.isFinite))
    ? numbers.map((record) => [...record.slice(0, 3).map(Math.fround), record[3]!])
    : undefined;
}
