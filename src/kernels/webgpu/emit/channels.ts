// How a kernel walks along the last axis: four channels at a time where every row starts at a multiple of four, else one.

export interface Channels {
  /** What one invocation holds, and what the storage is bound as. */
  readonly type: "vec4f" | "f32";
  /** Of a row. */
  readonly units: number;
  /** Of one unit. */
  readonly lanes: 4 | 1;
}

export function channelsOf(extent: number): Channels {
  return extent % 4 === 0
    ? { type: "vec4f", units: extent / 4, lanes: 4 }
    : { type: "f32", units: extent, lanes: 1 };
}
