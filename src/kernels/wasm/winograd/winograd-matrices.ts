// The matrices of Winograd's minimal filtering F(m x m, 3 x 3), made from the points at which the Toom-Cook algorithm
// evaluates polynomials: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016; Barabasz et
// al., "Error Analysis and Improving the Accuracy of Winograd Convolution", TOMS 2020, section 3.

export type Matrix = readonly (readonly number[])[];

/** y = output [(filter g filter^T) * (input d input^T)] output^T, where * multiplies component by component. */
export interface WinogradMatrices {
  /** For names: `2x2`. */
  readonly name: string;
  /** Cells of a tile of outputs, along each axis. */
  readonly step: number;
  /** Taps of the filter, along each axis. */
  readonly taps: number;
  /** Components, and cells of a patch of inputs, along each axis. */
  readonly size: number;
  /** [size x size] */
  readonly input: Matrix;
  /** [size x taps] */
  readonly filter: Matrix;
  /** [step x size] */
  readonly output: Matrix;
}

const TAPS = 3;

/** Zero, the points and their negatives, and infinity; all that is not a division is exact for points of few bits. */
function minimalFiltering(step: number, points: readonly number[]): WinogradMatrices {
  const finite = [0, ...points.flatMap((point) => [point, -point])];
  const size = finite.length + 1;
  const powers = (point: number, count: number) =>
    Array.from({ length: count }, (_, exponent) => point ** exponent);
  const infinity = (count: number) => Array.from({ length: count }, (_, i) => (i === count - 1 ? 1 : 0));
  /** Coefficients, lowest power first, of the polynomial with these roots. */
  const polynomial = (roots: readonly number[]): readonly number[] =>
    roots.reduce<readonly number[]>(
      (product, root) => [...product, 0].map((_, i) => (product[i - 1] ?? 0) - root * (product[i] ?? 0)),
      [1],
    );
  const others = finite.map((point) => finite.filter((other) => other !== point));
  const norms = finite.map((point, i) => others[i]!.reduce((product, other) => product * (point - other), 1));
  return {
    name: `${step}x${step}`,
    step,
    taps: TAPS,
    size,
    input: [
      ...others.map((roots, i) => [...polynomial(roots), 0].map((entry) => entry * Math.sign(norms[i]!))),
      polynomial(finite),
    ],
    filter: [
      ...finite.map((point, i) => powers(point, TAPS).map((power) => power / Math.abs(norms[i]!))),
      infinity(TAPS),
    ],
    output: transposed([...finite.map((point) => powers(point, step)), infinity(step)]),
  };
}

export const WINOGRAD_2X2 = minimalFiltering(2, [1]);

/** The customary points 1 and 2 give errors four times as large. */
export const WINOGRAD_4X4 = minimalFiltering(4, [5 / 8, 3 / 2]);

export function transposed(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}
