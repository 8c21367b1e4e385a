// One instruction as the device runs it: cut into slices that are short enough to give way to the event loop between
// them. How long a slice takes is learned as it runs; slicing never changes a result.

/** Half of the time after which a step must give way, so that a wrong guess does no harm. */
const SLICE_MS = 5;
/** Before anything is measured: a tenth of what a slow machine does. */
const ASSUMED_OPERATIONS_PER_MS = 500_000;
/** Shorter times say more about the clock than about the kernel. */
const MEASURABLE_MS = 0.05;

export class SlicedCall {
  readonly extent: number;
  readonly #grain: number;
  readonly #run: (begin: number, end: number) => void;
  #unitsPerMs: number;

  /** `operations`: a rough count of the flops or elements of the whole call. */
  constructor(run: (begin: number, end: number) => void, extent: number, grain: number, operations: number) {
    this.#run = run;
    this.extent = extent;
    this.#grain = grain;
    this.#unitsPerMs = (extent / operations) * ASSUMED_OPERATIONS_PER_MS;
  }

  /** Runs one slice from `begin` and returns its end. `startedAt` is the time now, in ms. */
  runFrom(begin: number, startedAt: number): { readonly end: number; readonly endedAt: number } {
    const grains = Math.max(1, Math.floor((this.#unitsPerMs * SLICE_MS) / this.#grain));
    const end = Math.min(this.extent, begin + grains * this.#grain);
    this.#run(begin, end);
    const endedAt = performance.now();
    const elapsedMs = endedAt - startedAt;
    if (elapsedMs > MEASURABLE_MS) this.#unitsPerMs = (end - begin) / elapsedMs;
    return { end, endedAt };
  }
}
