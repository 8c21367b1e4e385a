// Divides the flat vector into buckets, so that the exchange of the last layers overlaps with the backward pass of the
// first ones.

import { SltrainError } from "../errors.ts";
import type { ElementRange, Layout } from "./layout.ts";

const ELEMENT_BYTES = 4;

export interface BucketOptions {
  /** A bucket ends with the tensor that takes it to this size; Infinity for one bucket. */
  readonly bucketBytes: number;
  /** A second vector that follows the first; it becomes the last bucket, with offsets after `layout.length`. */
  readonly statistics?: Layout;
}

/**
 * Buckets in the order in which backward completes them: the last tensors first. Together they cover [0, length) of
 * the vector, padding included. An empty layout has one empty bucket.
 */
export function bucketRanges(
  layout: Layout,
  { bucketBytes, statistics }: BucketOptions,
): readonly ElementRange[] {
  if (!(bucketBytes > 0)) {
    throw new SltrainError({
      code: "grid-invalid",
      message: `buckets: expected bucketBytes > 0, but got ${bucketBytes}`,
    });
  }
  const ranges: ElementRange[] = [];
  let end = layout.length;
  for (let i = layout.entries.length - 1; i >= 0; i--) {
    const begin = i === 0 ? 0 : layout.entries[i]!.offset;
    if (i > 0 && (end - begin) * ELEMENT_BYTES < bucketBytes) continue;
    ranges.push({ begin, end });
    end = begin;
  }
  if (ranges.length === 0) ranges.push({ begin: 0, end: layout.length });
  if (statistics !== undefined && statistics.length > 0) {
    ranges.push({ begin: layout.length, end: layout.length + statistics.length });
  }
  return ranges;
}
