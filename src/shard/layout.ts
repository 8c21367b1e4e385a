// The flat vector's table of contents. It and all divisions of the vector are fixed by a run's configuration, never by
// who happens to be alive.

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
