import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder, writeData } from "../files.ts";
import { FIXTURES, readPath, readSplits } from "./read-rows.ts";

const fixture = (name: string) => join(FIXTURES, "npy", name);
/** As make.py's table(): x[r, c] = r + c / 8. */
const table = (rows: number, columns: number) =>
  Array.from({ length: rows * columns }, (_, i) => Math.floor(i / columns) + (i % columns) / 8);

test("arrays of all float types are read, in the type that holds them", async () => {
  for (const [name, type] of [
    ["f2", "f16"],
    ["f4", "f32"],
    ["f8", "f32"],
    ["f4be", "f32"],
  ]) {
    const { facts, features, labels } = await readPath(fixture(`x_${name!}.npy`));
    assert.equal(facts.featureType, type, name);
    assert.deepEqual(facts.featureShape, [3]);
    assert.deepEqual(features, table(12, 3), name);
    assert.deepEqual(labels, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    assert.deepEqual(facts.labels, { kind: "classes", values: [0, 1, 2] });
  }
});

test("arrays of integers and booleans are read; bytes stay bytes", async () => {
  for (const [name, type, modulus] of [
    ["i2", "f32", 100],
    ["i8", "f32", 100],
    ["u1", "u8", 100],
    ["bool", "f32", 2],
  ] as const) {
    const { facts, features } = await readPath(fixture(`x_${name}.npy`));
    assert.equal(facts.featureType, type, name);
    const expected = table(12, 3).map((value) => (value * 8) % modulus);
    assert.deepEqual(features, expected, name);
  }
});

test("images without channels have one, and labels lie beside them by name", async () => {
  const { facts, features, labels } = await readPath(fixture("images.npy"));
  assert.deepEqual(facts.featureShape, [4, 5, 1]);
  assert.deepEqual(
    features,
    Array.from({ length: 120 }, (_, i) => i % 251),
  );
  assert.deepEqual(labels, [-1, 1, -1, 1, 1, -1]);
  assert.deepEqual(facts.labels, { kind: "classes", values: [-1, 1], names: ["-1", "1"] });
});

test("a column of the array can be the label", async () => {
  const { facts, features, labels } = await readPath(fixture("x_f4.npy"), { labelColumn: "1" });
  assert.deepEqual(facts.featureShape, [2]);
  assert.deepEqual(
    features,
    table(12, 3).filter((_, i) => i % 3 !== 1),
  );
  assert.deepEqual(
    labels,
    Array.from({ length: 12 }, (_, row) => row + 1 / 8),
  );
  assert.deepEqual(facts.labels, { kind: "targets" });
});

test("archives hold a split, packed or not, or all rows", async () => {
  for (const name of ["split.npz", "packed.npz"]) {
    const { train, validation } = await readSplits(fixture(name));
    assert.deepEqual(train.features, table(12, 3), name);
    assert.deepEqual(
      validation.features,
      table(4, 3).map((value) => value + 100),
    );
    assert.deepEqual(validation.labels, [0, 1, 2, 0]);
  }
  const whole = await readPath(fixture("whole.npz"));
  assert.deepEqual(whole.features, table(12, 3));
  assert.deepEqual(whole.facts.labels, { kind: "targets" });
});

test("what cannot be read is refused with what to do", async () => {
  await assert.rejects(readPath(fixture("fortran.npy"), { labelColumn: "0" }), {
    code: "data-order",
    message: /fortran\.npy: expected an array with one row behind the other \(C order\), got Fortran order/,
  });
  await assert.rejects(readPath(fixture("strings.npy"), { labelColumn: "0" }), {
    code: "data-type",
    message: /strings\.npy: expected numbers of a type among .*f4.*, got "<U1"/,
  });
  await assert.rejects(readPath(fixture("x_f4.npy"), { labelColumn: "3" }), {
    code: "data-columns",
    message: /got column "3" of 12 x 3/,
  });
  await assert.rejects(readPath(fixture("other.npz")), {
    code: "data-missing",
    message: /other\.npz: expected arrays x_train, .*, got weights/,
  });
});

test("files that are cut, of the wrong length, without labels or not finite are refused", async (t) => {
  const folder = temporaryFolder(t);
  const x = readFileSync(fixture("x_f4.npy"));
  const y = readFileSync(fixture("y_f4.npy"));
  const alone = writeData(folder, "alone.npy", x);
  await assert.rejects(readPath(alone), {
    code: "data-missing",
    message:
      /alone\.npy: expected its labels beside it \(alone\.labels\.npy or alone_labels\.npy\), got no such file/,
  });
  const write = (name: string, features: Uint8Array, labels: Uint8Array) => {
    writeData(folder, `y_${name}.npy`, labels);
    return writeData(folder, `x_${name}.npy`, features);
  };
  await assert.rejects(readPath(write("cut", x.subarray(0, -20), y)), {
    code: "data-truncated",
    message: /x_cut\.npy: expected 144 bytes of an array of 12 x 3, got 124 bytes: the array ends in row 10/,
  });
  await assert.rejects(readPath(write("head", x.subarray(0, 60), y)), {
    code: "data-truncated",
    message: /expected a header of 128 bytes, got 60 bytes/,
  });
  await assert.rejects(readPath(write("long", Buffer.concat([x, x]), y)), { code: "data-size" });
  const eleven = Buffer.from(y.toString("latin1").replace("(12,)", "(11,)"), "latin1").subarray(0, -8);
  await assert.rejects(readPath(write("count", x, eleven)), {
    code: "data-count",
    message: /y_count\.npy: expected 12 labels, one for each row of .*x_count\.npy, got 11/,
  });
  const nan = Buffer.from(x);
  nan.writeFloatLE(NaN, 128 + 4 * 7);
  await assert.rejects(readPath(write("nan", nan, y)), {
    code: "data-nan",
    message: /x_nan\.npy: row 2, element 1: expected a finite number that f32 can hold, got NaN/,
  });
  const zip = writeData(folder, "cut.npz", readFileSync(fixture("packed.npz")).subarray(0, 700));
  await assert.rejects(readPath(zip), {
    code: "data-damaged",
    message: /cut\.npz: expected a whole zip archive of arrays/,
  });
});

test("gzip around an array is taken off", async (t) => {
  const folder = temporaryFolder(t);
  writeData(folder, "y.npy", readFileSync(fixture("y_f4.npy")));
  const path = writeData(folder, "X.npy.gz", readFileSync(fixture("x_f4.npy")));
  assert.deepEqual((await readPath(path)).features, table(12, 3));
});
