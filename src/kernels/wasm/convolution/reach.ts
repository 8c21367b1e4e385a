// One axis of a convolution or of its adjoint: which cells of the source make up which cells of the output. Taps that
// fall off the source are left out by counting, so that no image needs a border of zeros.

/** Outputs `outputFirst`, + `outputStep`, …: `outputs` of them, each the sum of its taps. */
export interface Reach {
  readonly outputs: number;
  readonly outputFirst: number;
  readonly outputStep: number;
  /** Cells of the source. */
  readonly extent: number;
  /** Where the first tap of the first output lies in the source; outside too. */
  readonly first: number;
  /** Cells of the source from one output to the next, and from one tap to the next. */
  readonly stride: number;
  readonly spacing: number;
  /** The filter's cells in the order of their summation. */
  readonly taps: readonly number[];
}

/** Neighbouring outputs of which the same taps lie inside the source. */
export interface Stretch {
  /** Index of the first of `count` outputs. */
  readonly output: number;
  readonly count: number;
  /** Index of the first of `taps` taps; none may be left. */
  readonly tap: number;
  readonly taps: number;
  /** The source's cell of the first output's first tap that is left. */
  readonly cell: number;
}

/** How a filter of `window` cells, `dilation` apart, moves over `input` cells. */
export interface WindowMove {
  readonly input: number;
  readonly output: number;
  readonly before: number;
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
}

export function forwardReach({ input, output, before, window, stride, dilation }: WindowMove): Reach {
  return {
    ...{ outputs: output, outputFirst: 0, outputStep: 1 },
    ...{ extent: input, first: -before, stride, spacing: dilation },
    taps: Array.from({ length: window }, (_, tap) => tap),
  };
}

/**
 * The adjoint: cells of x out of cells of dy. Those whose distance is a multiple of the stride meet the same taps, so
 * there is one reach for each remainder, and a tap is in one of them: no product with the zeros between the cells of
 * a spread dy, as in Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4.
 */
export function adjointReaches(move: WindowMove): readonly Reach[] {
  const { input, output, before, window, stride, dilation } = move;
  const remainders = Array.from({ length: Math.min(stride, input) }, (_, remainder) => remainder);
  return remainders.map((remainder) => {
    // The last tap reaches the first cell of dy.
    const taps = Array.from({ length: window }, (_, i) => window - 1 - i).filter(
      (tap) => (remainder + before - tap * dilation) % stride === 0,
    );
    return {
      outputs: Math.ceil((input - remainder) / stride),
      outputFirst: remainder,
      outputStep: stride,
      extent: output,
      first: taps.length === 0 ? 0 : (remainder + before - taps[0]! * dilation) / stride,
      stride: 1,
      spacing: taps.length < 2 ? 1 : ((taps[0]! - taps[1]!) * dilation) / stride,
      taps,
    };
  });
}

export function stretchesOf({ outputs, extent, first, stride, spacing, taps }: Reach): readonly Stretch[] {
  const stretches: Stretch[] = [];
  for (let output = 0; output < outputs; output++) {
    const begin = first + output * stride;
    const end = Math.min(Math.ceil((extent - begin) / spacing), taps.length);
    const tap = Math.min(Math.max(0, Math.ceil(-begin / spacing)), Math.max(0, end));
    const last = stretches.at(-1);
    const next = { output, count: 1, tap, taps: Math.max(0, end - tap), cell: begin + tap * spacing };
    if (last?.tap === next.tap && last.taps === next.taps)
      stretches[stretches.length - 1] = { ...last, count: last.count + 1 };
    else stretches.push(next);
  }
  return stretches;
}

export interface OutputRange {
  readonly first: number;
  readonly count: number;
}

/** The outputs of which tap `tap` (an index) lies inside the source. */
export function reachedOutputs({ outputs, extent, first, stride, spacing }: Reach, tap: number): OutputRange {
  const cell = first + tap * spacing;
  const begin = Math.max(0, Math.ceil(-cell / stride));
  const end = Math.min(outputs, Math.ceil((extent - cell) / stride));
  return end > begin ? { first: begin, count: end - begin } : { first: 0, count: 0 };
}
