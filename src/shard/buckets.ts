// Divides the flat vector: into buckets, so that the exchange of the last layers overlaps with the backward pass of
// the first ones, and each bucket into chunks, so that every rank reduces its share (Jiang et al., LambdaML, SIGMOD
// 2021, section 3.2.3, "ScatterReduce").

import { SltrainError } from "../errors.ts";
import type { Bucket, Chunk, Layout } from "./layout.ts";

const ELEMENT_BYTES = 4;
/** As for tensors: a chunk of a vector in a GPU's memory can be bound by itself. */
const CHUNK_ALIGNMENT = 64;

export interface GridOptions {
  /** A bucket ends with the tensor that takes it to this size. */
  readonly bucketBytes: number;
  readonly worldSize: number;
  /** A second vector that follows the first; it becomes the last bucket, with offsets after `layout.length`. */
  readonly statistics?: Layout;
}

/**
 * Buckets in the order in which backward completes them: the last tensors first. Together they cover [0, length) of
 * the vector, padding included. An empty layout has one bucket with one empty chunk.
 */
export function chunkGrid(
  layout: Layout,
  { bucketBytes, worldSize, statistics }: GridOptions,
): readonly Bucket[] {
  if (!Number.isInteger(worldSize) || worldSize < 1 || !(bucketBytes > 0)) {
    throw new SltrainError({
      code: "grid-invalid",
      message: `chunk grid: expected worldSize >= 1 and bucketBytes > 0, but got ${worldSize} and ${bucketBytes}`,
    });
  }
  const bounds: [begin: number, end: number][] = [];
  let end = layout.length;
  for (let i = layout.entries.length - 1; i >= 0; i--) {
    const begin = i === 0 ? 0 : layout.entries[i]!.offset;
    if (i > 0 && (end - begin) * ELEMENT_BYTES < bucketBytes) continue;
    bounds.push([begin, end]);
    end = begin;
  }
  if (bounds.length === 0) bounds.push([0, layout.length]);
  if (statistics !== undefined && statistics.length > 0) {
    bounds.push([layout.length, layout.length + statistics.length]);
  }
  return bounds.map(([begin, end], bucket) => ({
    begin,
    end,
    chunks: chunksOf(begin, end, bucket, worldSize),
  }));
}

/** Chunks that differ by one block at most; never an empty one, except for an empty bucket. */
function chunksOf(begin: number, end: number, bucket: number, worldSize: number): readonly Chunk[] {
  const blocks = Math.ceil((end - begin) / CHUNK_ALIGNMENT);
  const count = Math.max(1, Math.min(worldSize, blocks));
  const bound = (i: number): number =>
    Math.min(end, begin + Math.floor((i * blocks) / count) * CHUNK_ALIGNMENT);
  return Array.from({ length: count }, (_, i) => ({
    begin: bound(i),
    end: bound(i + 1),
    // Turned by the bucket's number: many buckets that are too short for all ranks still load the ranks evenly.
    owner: (bucket + i) % worldSize,
  }));
}
