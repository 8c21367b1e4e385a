// How a kernel walks along the last axis: four channels at a time where every row starts at a multiple of four, else one.

import { elementType, type Width } from "./elements.ts";
import { columnWidth } from "./sums.ts";

export interface Channels {
  /** Of one unit. */
  readonly width: Width;
  /** What one invocation holds, and what the storage is bound as. */
  readonly type: ReturnType<typeof elementType>;
  /** Of a row. */
  readonly units: number;
}

export function channelsOf(extent: number): Channels {
  const width = columnWidth(extent);
  return { width, type: elementType(width), units: extent / width };
}
