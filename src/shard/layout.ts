// The flat vector's table of contents, and its division into buckets and chunks. The grid is fixed by a run's
// configuration, never by who happens to be alive.

/** A tensor inside a flat vector. `offset` and `length` in f32 elements; offsets are multiples of 64. */
export interface LayoutEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

export interface Layout {
  readonly entries: readonly LayoutEntry[];
  /** Elements of the whole vector, padding included; a multiple of 64. */
  readonly length: number;
}

/** Elements [begin, end) of the flat vector. */
export interface ElementRange {
  readonly begin: number;
  readonly end: number;
}

/** A part of a bucket that one rank reduces. Bounds are multiples of 64. */
export interface Chunk extends ElementRange {
  readonly owner: number;
}

/** A run of whole tensors that backward completes together, in chunks of as many owners as there are ranks, if it is long enough. */
export interface Bucket extends ElementRange {
  readonly chunks: readonly Chunk[];
}
