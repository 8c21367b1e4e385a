// What the kernels that encode chunks share.

/** Expression of the bits of vec4 `unit` of `$x`: zeros behind the end. */
export function loadBits(unit: string, elements: number): string {
  if (elements % 4 === 0) return `$x[${unit}]`;
  return `select(vec4u(), $x[${unit}], 4u * vec4u(${unit}) + vec4u(0u, 1u, 2u, 3u) < vec4u(${elements}u))`;
}
