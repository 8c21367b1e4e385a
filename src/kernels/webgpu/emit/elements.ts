// One element or four at a time: the WGSL of kernels that are written for both.

/** Elements of a unit. */
export type Width = 1 | 4;

export function elementType(width: Width): "f32" | "vec4f" {
  return width === 4 ? "vec4f" : "f32";
}

/** The sum of a unit's elements. */
export function horizontalSum(value: string, width: Width): string {
  return width === 4 ? `((${value}.x + ${value}.y) + (${value}.z + ${value}.w))` : value;
}

export function horizontalMaximum(value: string, width: Width): string {
  return width === 4 ? `max(max(${value}.x, ${value}.y), max(${value}.z, ${value}.w))` : value;
}

/** The indices of unit `unit`'s elements in their row. */
export function elementIndices(unit: string, width: Width): string {
  return width === 4 ? `(4u * ${unit} + vec4u(0u, 1u, 2u, 3u))` : unit;
}

/** A float's literal: rounded to f32, for WGSL refuses those that f32 can't hold. */
export function float(value: number): string {
  return `${Math.fround(value)}f`;
}
