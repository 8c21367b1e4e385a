// Cutting a stretch into pieces that differ by one unit at most, so that no tile is a small rest.

/** A stretch of `length` units cut into pieces of at most `maximum` that are as equal as can be, longest first. */
export function balancedPieces(length: number, maximum: number): readonly { count: number; size: number }[] {
  const pieces = Math.ceil(length / maximum);
  const size = Math.floor(length / pieces);
  const longer = length % pieces;
  return [
    { count: longer, size: size + 1 },
    { count: pieces - longer, size },
  ].filter(({ count }) => count > 0);
}
