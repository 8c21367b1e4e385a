// Row-major indices as WGSL text: from a flat index to coordinates and back. Extents are constants, which compilers divide
// by with a multiplication.

/**
 * Statements that take the index `from` (u32) apart into constants named after the axes, the last of which runs fastest:
 * `coordinates("i", { row: 3, c: 8 })`. The first axis' extent does not matter, for the index ends with it.
 */
export function coordinates(from: string, axes: Readonly<Record<string, number>>): string {
  const names = Object.keys(axes);
  let rest = from;
  const statements = names
    .slice(1)
    .reverse()
    .flatMap((name) => {
      const index = rest;
      rest = `over_${name}`;
      return [`let ${name} = ${index} % ${axes[name]}u;`, `let ${rest} = ${index} / ${axes[name]}u;`];
    });
  return [...statements, `let ${names[0]} = ${rest};`].join(" ");
}

/** The flat index (u32) of the coordinates, which are expressions: `flatIndex([["b", 2], ["h + 1u", 5], ["c", 8]])`. */
export function flatIndex(axes: readonly (readonly [coordinate: string, extent: number])[]): string {
  return axes.reduce(
    (index, [coordinate, extent]) => (index === "" ? coordinate : `(${index} * ${extent}u + ${coordinate})`),
    "",
  );
}
