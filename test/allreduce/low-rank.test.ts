import assert from "node:assert/strict";
import { test } from "node:test";
import { orthonormal, takeProduct, timesLeft, timesRight } from "../../src/allreduce/low-rank.ts";
import { RandomStream } from "../../src/random.ts";

const random = new RandomStream(1, "low-rank");
const normal = (length: number) => Float32Array.from({ length }, () => random.nextNormal());
const shape = { rows: 23, columns: 14, terms: 3 };
const { rows, columns, terms } = shape;

test("both products are those of the definition", () => {
  const matrix = normal(rows * columns);
  const [q, p] = [normal(terms * columns), Float64Array.from(normal(terms * rows))];
  const [right, left] = [new Float32Array(terms * rows), new Float32Array(terms * columns)];
  timesRight(shape, matrix, q, right);
  timesLeft(shape, matrix, p, left);
  for (let term = 0; term < terms; term++) {
    for (let row = 0; row < rows; row++) {
      let want = 0;
      for (let i = 0; i < columns; i++) want += matrix[row * columns + i]! * q[term * columns + i]!;
      assert.ok(Math.abs(right[term * rows + row]! - want) < 1e-5);
    }
    for (let i = 0; i < columns; i++) {
      let want = 0;
      for (let row = 0; row < rows; row++) want += matrix[row * columns + i]! * p[term * rows + row]!;
      assert.ok(Math.abs(left[term * columns + i]! - want) < 1e-5);
    }
  }
});

function gram(basis: Float64Array): number[][] {
  const column = (term: number) => basis.subarray(term * rows, (term + 1) * rows);
  return Array.from({ length: terms }, (_, a) =>
    Array.from({ length: terms }, (__, b) => column(a).reduce((sum, x, i) => sum + x * column(b)[i]!, 0)),
  );
}

test("the basis is orthonormal, also of columns that are nearly the same", () => {
  const p = normal(terms * rows);
  for (let i = 0; i < rows; i++) p[rows + i] = p[i]! + 1e-4 * p[rows + i]!;
  gram(orthonormal(shape, p)).forEach((line, a) =>
    line.forEach((product, b) => assert.ok(Math.abs(product - (a === b ? 1 : 0)) < 1e-10)),
  );
});

test("a column that others span, and one of zeros, become zeros; a NaN does not", () => {
  const p = normal(terms * rows);
  for (let i = 0; i < rows; i++) p[rows + i] = 2 * p[i]!;
  p.fill(0, 2 * rows);
  const basis = orthonormal(shape, p);
  assert.ok(basis.subarray(0, rows).some((x) => x !== 0));
  assert.ok(basis.subarray(rows).every((x) => x === 0));
  assert.ok(Number.isNaN(orthonormal(shape, p.with(2, NaN))[5]));
});

test("the product is written, and its multiple taken from the matrix", () => {
  const [p, q, before] = [
    Float64Array.from(normal(terms * rows)),
    normal(terms * columns),
    normal(rows * columns),
  ];
  const [product, matrix] = [new Float32Array(rows * columns), before.slice()];
  takeProduct(shape, p, q, product, matrix, 3);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) {
      let want = 0;
      for (let term = 0; term < terms; term++) want += p[term * rows + row]! * q[term * columns + i]!;
      const at = row * columns + i;
      assert.equal(product[at], Math.fround(want));
      assert.equal(matrix[at], Math.fround(before[at]! - 3 * product[at]));
    }
  }
});
