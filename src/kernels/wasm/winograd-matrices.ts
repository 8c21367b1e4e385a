// The matrices of Winograd's minimal filtering F(2x2, 3x3): Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", CVPR 2016, section 4.1. The last component has the opposite sign there, in input and output.

export type Matrix = readonly (readonly number[])[];

/** y = output [(filter g filter^T) * (input d input^T)] output^T, where * multiplies component by component. */
export const WINOGRAD_2X2 = {
  /** Cells of a tile of outputs, along each axis. */
  step: 2,
  /** Taps of the filter, along each axis. */
  taps: 3,
  /** Components, and cells of a patch of inputs, along each axis. */
  size: 4,
  input: [
    [1, 0, -1, 0],
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, -1, 0, 1],
  ],
  filter: [
    [1, 0, 0],
    [0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5],
    [0, 0, 1],
  ],
  output: [
    [1, 1, 1, 0],
    [0, 1, -1, 1],
  ],
} as const satisfies WinogradMatrices;

export interface WinogradMatrices {
  readonly step: number;
  readonly taps: number;
  readonly size: number;
  /** [size x size] */
  readonly input: Matrix;
  /** [size x taps] */
  readonly filter: Matrix;
  /** [step x size] */
  readonly output: Matrix;
}

export function transposed(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}
