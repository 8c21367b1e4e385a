import assert from "node:assert/strict";
import { test } from "node:test";
import { isSparse } from "../../../src/data/feature-rows.ts";
import type { CsrRows, FeatureRows } from "../../../src/data/rows.ts";
import { openMeasure } from "../../../src/data/transform/measure.ts";
import { parseSteps } from "../../../src/data/transform/parse-steps.ts";
import type { RowKind } from "../../../src/data/transform/step.ts";

const table = Float32Array.of(1, -2, 0, 3, 0, 5, 2, 4, 5, 0, 6, 5);
const ROWS = 4;
const dense: RowKind = { featureShape: [3], featureType: "f32", featureNames: ["a", "b", "c"] };
const sparse: RowKind = { featureShape: [3], featureType: "csr" };

/** The table without its zeros and signs. */
const sparseTable: CsrRows = {
  rowStarts: Uint32Array.of(0, 2, 4, 7, 9),
  columns: Uint32Array.of(0, 1, 0, 2, 0, 1, 2, 1, 2),
  values: Float32Array.of(1, 2, 3, 5, 2, 4, 5, 6, 5),
};

function transformed(
  steps: string,
  kind: RowKind,
  rows: FeatureRows,
  count = ROWS,
): { rows: FeatureRows; after: RowKind } {
  let [features, before] = [rows, kind];
  for (const step of parseSteps(steps)) {
    step.check?.(before);
    const measure = openMeasure(step.needs ?? "moments", before);
    measure.add(features, count);
    const { map, after } = step.prepare(before, measure.finish());
    [features, before] = [map(features, count), after];
  }
  return { rows: features, after: before };
}

function assertNear(got: FeatureRows, wanted: readonly number[]): void {
  const values = isSparse(got) ? got.values : got;
  assert.equal(values.length, wanted.length);
  wanted.forEach((value, i) =>
    assert.ok(Math.abs(values[i]! - value) < 1e-6, `${i}: ${values[i]} for ${value}`),
  );
}

// The numbers are those of scikit-learn 1.2: StandardScaler, MinMaxScaler, normalize, MaxAbsScaler, TfidfTransformer on
// the same rows.

test("standardise gives the columns of scikit-learn's StandardScaler", () => {
  const { rows, after } = transformed("standardise", dense, table);
  assert.deepEqual(after, dense);
  assertNear(rows, STANDARD);
});

test("min-max gives the columns of scikit-learn's MinMaxScaler, and bytes become f32", () => {
  assertNear(transformed("min-max", dense, table).rows, MIN_MAX);
  const bytes = transformed(
    "min-max",
    { featureShape: [3], featureType: "u8" },
    Uint8Array.from([0, 1, 2, 4, 1, 2, 0, 1, 2, 2, 1, 2]),
  );
  assert.equal(bytes.after.featureType, "f32");
  assertNear(bytes.rows, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0.5, 0, 0]);
});

test("l2-norm gives the rows of scikit-learn's normalize, dense and sparse", () => {
  assertNear(transformed("l2-norm", dense, table).rows, NORMALISED);
  const { rows, after } = transformed("l2-norm", sparse, sparseTable);
  assert.equal(after.featureType, "csr");
  assertNear(
    rows,
    NORMALISED.map(Math.abs).filter((value) => value !== 0),
  );
  assertNear(transformed("l2-norm", dense, new Float32Array(12)).rows, Array(12).fill(0) as number[]);
});

test("sparse columns are scaled and not centred", () => {
  assertNear(transformed("min-max", sparse, sparseTable).rows, MAX_ABS);
  assertNear(transformed("standardise", sparse, sparseTable).rows, SPARSE_STANDARD);
  const negative = { ...sparseTable, values: sparseTable.values.map((value) => -value) };
  assert.throws(() => transformed("min-max", sparse, negative), {
    code: "data-transform",
    message: /expected sparse rows without values below 0.*got -3 in column 0/,
  });
});

test("tf-idf gives the rows of scikit-learn's TfidfTransformer, dense and sparse", () => {
  const counts = Float32Array.of(1, 0, 0, 2, 3, 0, 5, 0, 2, 4, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0);
  const sparseCounts: CsrRows = {
    rowStarts: Uint32Array.of(0, 2, 4, 6, 6, 8),
    columns: Uint32Array.of(0, 3, 0, 2, 0, 1, 0, 2),
    values: Float32Array.of(1, 2, 3, 5, 2, 4, 1, 1),
  };
  for (const [featureType, rows] of [
    ["f32", counts],
    ["csr", sparseCounts],
  ] as const) {
    const got = transformed("tf-idf", { featureShape: [4], featureType }, rows, 5);
    assert.deepEqual(got.after, { featureShape: [4], featureType: "csr" });
    assert.deepEqual((got.rows as CsrRows).rowStarts, sparseCounts.rowStarts);
    assert.deepEqual((got.rows as CsrRows).columns, sparseCounts.columns);
    assertNear(got.rows, TF_IDF);
  }
});

test("what is measured of parts and merged is what is measured of all rows", () => {
  const parts: FeatureRows[] = [table.subarray(0, 3), table.subarray(3)];
  for (const name of ["moments", "frequencies"] as const) {
    const [whole, merged] = [openMeasure(name, dense), openMeasure(name, dense)];
    whole.add(table, ROWS);
    for (const part of parts) {
      const measure = openMeasure(name, dense);
      measure.add(part, (part as Float32Array).length / 3);
      merged.merge(measure.encode());
    }
    const [wanted, got] = [whole.finish(), merged.finish()];
    if (name === "frequencies") assert.deepEqual(got, wanted);
    for (const [key, values] of Object.entries(wanted.moments ?? {})) {
      assertNear(Float32Array.from(got.moments![key as "mean"]), values as readonly number[]);
    }
  }
});

test("hashed columns keep each row's sum, in rising columns", () => {
  for (const [kind, rows] of [
    [dense, table.map(Math.abs)],
    [sparse, sparseTable],
  ] as const) {
    for (const bits of [1, 10]) {
      const { rows: hashed, after } = transformed(`hash:${bits}`, kind, rows);
      assert.ok(isSparse(hashed));
      assert.deepEqual(after, { featureShape: [2 ** bits], featureType: "csr" });
      const sums = Array.from({ length: ROWS }, (_, row) => {
        const columns = hashed.columns.subarray(hashed.rowStarts[row], hashed.rowStarts[row + 1]);
        assert.ok(columns.every((column, i) => column < 2 ** bits && (i === 0 || column > columns[i - 1]!)));
        return hashed.values
          .subarray(hashed.rowStarts[row], hashed.rowStarts[row + 1])
          .reduce((a, b) => a + b, 0);
      });
      assert.deepEqual(sums, [3, 8, 11, 11]);
    }
  }
});

test("one-hot gives a column for each value, beside the columns that were not named", () => {
  const { rows, after } = transformed("one-hot:a", dense, table);
  assert.ok(isSparse(rows));
  assert.deepEqual(after.featureNames, ["a=0", "a=1", "a=2", "a=3", "b", "c"]);
  assert.deepEqual(after.featureShape, [6]);
  assert.deepEqual([...rows.rowStarts], [0, 2, 4, 7, 10]);
  assert.deepEqual([...rows.columns], [1, 4, 3, 5, 2, 4, 5, 0, 4, 5]);
  assert.deepEqual([...rows.values], [1, -2, 1, 5, 1, 4, 5, 1, 6, 5]);
  assert.equal(transformed("one-hot:0+2", dense, table).after.featureShape[0], 4 + 1 + 6);
});

test("a value that the training rows did not have gives no one", () => {
  const [step] = parseSteps("one-hot:0");
  const { map } = step!.prepare(
    { featureShape: [1], featureType: "f32" },
    { moments: { min: [0], max: [1], mean: [0], deviation: [1] } },
  );
  const rows = map(Float32Array.of(1, 2, 0), 3) as CsrRows;
  assert.deepEqual([...rows.rowStarts], [0, 1, 1, 2]);
  assert.deepEqual([...rows.columns], [1, 0]);
});

test("steps follow each other, each with statistics of what the one before makes", () => {
  const { rows } = transformed("l2-norm,min-max", dense, table);
  const values = [...(rows as Float32Array)];
  for (let c = 0; c < 3; c++) {
    const column = values.filter((_, i) => i % 3 === c);
    assert.deepEqual([Math.min(...column), Math.max(...column)], [0, 1]);
  }
});

test("what is no step, or does not fit the rows, is refused with what would", () => {
  for (const [steps, message] of [
    ["standardize", /--steps: expected standardise, min-max, .*, got "standardize"/],
    ["hash", /expected hash:BITS, got "hash"/],
    ["hash:40", /expected hash:BITS, got "hash:40"/],
    ["min-max:2", /expected min-max, got "min-max:2"/],
    ["", /got ""/],
    ["one-hot:b", /expected whole numbers of 0\.\.65535 in column b, got -2 to 6/],
    ["one-hot:d", /expected a column, one of a, b, c or a number below 3, got "d"/],
    ["hash:4,one-hot", /expected columns of a table, at most 65536, got 16 csr/],
    ["hash:23,tf-idf", /tf-idf: expected at most 4194304 columns of counts, got 8388608 csr/],
  ] as const) {
    assert.throws(() => transformed(steps, dense, table), { code: "data-transform", message }, steps);
  }
  assert.throws(
    () =>
      transformed(
        "one-hot:a",
        dense,
        table.map((value, i) => (i === 0 ? 1.5 : value)),
      ),
    {
      message: /expected whole numbers from 0 in column a, got 1.5/,
    },
  );
});

const STANDARD = [
  -0.447213595, -1.264911064, -1.732050808, 1.341640786, -0.632455532, 0.577350269, 0.447213595, 0.632455532,
  0.577350269, -1.341640786, 1.264911064, 0.577350269,
];
const MIN_MAX = [0.333333333, 0.0, 0.0, 1.0, 0.25, 1.0, 0.666666667, 0.75, 1.0, 0.0, 1.0, 1.0];
const NORMALISED = [
  0.447213595, -0.894427191, 0.0, 0.514495755, 0.0, 0.857492926, 0.298142397, 0.596284794, 0.745355992, 0.0,
  0.76822128, 0.6401844,
];
const MAX_ABS = [0.333333333, 0.333333333, 1.0, 1.0, 0.666666667, 0.666666667, 1.0, 1.0, 1.0];
const SPARSE_STANDARD = [
  0.894427191, 0.894427191, 2.683281573, 2.309401077, 1.788854382, 1.788854382, 2.309401077, 2.683281573,
  2.309401077,
];
const TF_IDF = [
  0.271139167, 0.962540156, 0.386431774, 0.922317995, 0.271139167, 0.962540156, 0.572525514, 0.819886904,
];

test("a step that does not exist is answered with the one that was meant", () => {
  assert.throws(() => parseSteps("l2-norm,minmax"), { suggestions: ["Did you mean min-max?"] });
});
