// One phase of an instruction as the device runs it: in pieces that are short enough to give way to the event loop
// between them, each cut into slices if there are threads to share them out to. How long that takes is learned as it
// runs; slicing never changes a result.

/** Half of the time after which a step must give way, so that a wrong guess does no harm. */
const PIECE_MS = 5;
/** Before anything is measured: a tenth of what a slow machine does. */
const ASSUMED_OPERATIONS_PER_MS = 500_000;
/** Less work than this is not worth waking threads for: fork and join take 1 to 10 us. */
const FORK_MS = 0.03;
/** A thread that was held up leaves work to the others. */
const SLICES_PER_THREAD = 4;
/** Slices shorter than this cost more than they even out. */
const MINIMUM_SLICE_MS = 0.01;

export interface Piece {
  readonly end: number;
  /** Units of one slice; the whole piece where it is not worth sharing out. */
  readonly sliceUnits: number;
}

export class SlicedCall {
  /** Among the calls of the device's programs, where a thread pool counts them. */
  readonly number: number;
  readonly run: (begin: number, end: number) => void;
  readonly extent: number;
  readonly #grain: number;
  /** Of one thread. */
  #unitsPerMs: number;

  /** `operations`: a rough count of the flops or elements of the whole call. */
  constructor(options: {
    readonly number: number;
    readonly run: (begin: number, end: number) => void;
    readonly extent: number;
    readonly grain: number;
    readonly operations: number;
  }) {
    this.number = options.number;
    this.run = options.run;
    this.extent = options.extent;
    this.#grain = options.grain;
    this.#unitsPerMs = (options.extent / options.operations) * ASSUMED_OPERATIONS_PER_MS;
  }

  /** What to do next, from `begin` on, with that many threads. */
  pieceFrom(begin: number, threads: number): Piece {
    const left = this.extent - begin;
    const pieces = Math.ceil(left / this.#unitsPerMs / threads / PIECE_MS);
    const units = this.#wholeGrains(left / pieces);
    const end = Math.min(this.extent, begin + units);
    const aloneMs = (end - begin) / this.#unitsPerMs;
    if (threads === 1 || aloneMs < FORK_MS) return { end, sliceUnits: units };
    const slices = Math.min(threads * SLICES_PER_THREAD, Math.ceil(aloneMs / MINIMUM_SLICE_MS));
    return { end, sliceUnits: this.#wholeGrains((end - begin) / slices) };
  }

  #wholeGrains(units: number): number {
    return Math.ceil(units / this.#grain) * this.#grain;
  }

  /** `units` have taken `threads` threads so long. */
  learn(units: number, elapsedMs: number, threads: number): void {
    if (elapsedMs > 0) this.#unitsPerMs = units / (elapsedMs * threads);
  }
}
