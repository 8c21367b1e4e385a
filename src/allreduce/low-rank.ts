// A matrix as a product of two thin ones, P Q^T, by one step of the power method (Vogels et al., "PowerSGD", NeurIPS
// 2019, algorithm 1). Plain loops in f64, in one order: equal inputs give equal bits on every machine.
//
// M (m, n) row by row, f32. P (r, m) and Q (r, n) column by column: what belongs to one rank-1 term lies together.

export interface MatrixShape {
  readonly rows: number;
  readonly columns: number;
  /** Rank-1 terms, r. */
  readonly terms: number;
}

/** P = M Q. */
export function timesRight(
  { rows, columns, terms }: MatrixShape,
  matrix: Float32Array,
  q: Float32Array,
  p: Float32Array,
): void {
  for (let term = 0; term < terms; term++) {
    const qTerm = q.subarray(term * columns, (term + 1) * columns);
    for (let row = 0; row < rows; row++)
      p[term * rows + row] = dot(matrix.subarray(row * columns, (row + 1) * columns), qTerm);
  }
}

/** In four sums: the chain of additions is shorter. */
function dot(a: Float32Array, b: Float32Array): number {
  let s = 0;
  let t = 0;
  let u = 0;
  let v = 0;
  let i = 0;
  for (; i + 3 < a.length; i += 4) {
    s += a[i]! * b[i]!;
    t += a[i + 1]! * b[i + 1]!;
    u += a[i + 2]! * b[i + 2]!;
    v += a[i + 3]! * b[i + 3]!;
  }
  for (; i < a.length; i++) s += a[i]! * b[i]!;
  return s + t + (u + v);
}

/** Q = M^T P. */
export function timesLeft(
  { rows, columns, terms }: MatrixShape,
  matrix: Float32Array,
  p: Float64Array,
  q: Float32Array,
): void {
  const sums = new Float64Array(columns);
  for (let term = 0; term < terms; term++) {
    sums.fill(0);
    for (let row = 0; row < rows; row++)
      addMultiple(matrix.subarray(row * columns, (row + 1) * columns), p[term * rows + row]!, sums);
    q.set(sums, term * columns);
  }
}

function addMultiple(values: Float32Array, factor: number, sums: Float64Array): void {
  for (let i = 0; i < values.length; i++) sums[i]! += factor * values[i]!;
}

/**
 * An orthonormal basis of P's columns by modified Gram-Schmidt. A column that the others span is left as zeros, and so is
 * everything of a P of zeros; a NaN makes NaNs of its column and all after it.
 */
export function orthonormal({ rows, terms }: MatrixShape, p: Float32Array): Float64Array {
  const basis = Float64Array.from(p);
  const column = (term: number): Float64Array => basis.subarray(term * rows, (term + 1) * rows);
  for (let term = 0; term < terms; term++) {
    const own = column(term);
    const before = Math.sqrt(dot64(own, own));
    for (let other = 0; other < term; other++) {
      const direction = column(other);
      const share = dot64(direction, own);
      for (let i = 0; i < rows; i++) own[i]! -= share * direction[i]!;
    }
    const norm = Math.sqrt(dot64(own, own));
    // What is left of a column that was rounded to f32 is noise, which in f64 would still make a direction.
    if (norm <= NOISE * before) own.fill(0);
    else for (let i = 0; i < rows; i++) own[i]! /= norm;
  }
  return basis;
}

const NOISE = 2 ** -22;

function dot64(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Writes P Q^T, rounded to f32, and takes it, `weight` times, from the matrix, whose error remains. */
export function takeProduct(
  { rows, columns, terms }: MatrixShape,
  p: Float64Array,
  q: Float32Array,
  product: Float32Array,
  matrix: Float32Array,
  weight: number,
): void {
  const sums = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    sums.fill(0);
    for (let term = 0; term < terms; term++)
      addMultiple(q.subarray(term * columns, (term + 1) * columns), p[term * rows + row]!, sums);
    const begin = row * columns;
    product.set(sums, begin);
    for (let i = begin; i < begin + columns; i++) matrix[i]! -= weight * product[i]!;
  }
}
