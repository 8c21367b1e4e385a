// Reads a text through a format as if it were a file whose stream comes in chunks of any size.

import type { ContentFile, Format, ReadOptions } from "../../../src/data/format.ts";
import type { CsrRows, DenseRows, RowBlock, RowFacts } from "../../../src/data/rows.ts";
import type { ImportThreads } from "../../../src/data/threads/import-threads.ts";
import { RandomStream } from "../../../src/random.ts";

export interface ReadRows {
  readonly count: number;
  readonly labels: number[];
  /** By row: [column, value] of what is not zero. */
  readonly rows: [number, number][][];
  readonly facts: RowFacts;
  readonly blocks: number;
}

/** `chunkBytes` is a fixed size, or makes one for each chunk. */
export function textFile(
  content: string | Uint8Array,
  chunkBytes: number | (() => number) = 65_536,
  path = "a.txt",
): ContentFile {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return {
    path,
    sizeBytes: bytes.length,
    head: bytes.subarray(0, 65_536),
    // eslint-disable-next-line @typescript-eslint/require-await
    async *content() {
      for (let at = 0; at < bytes.length;) {
        const size = typeof chunkBytes === "number" ? chunkBytes : chunkBytes();
        // A chunk is valid until the next one: whoever keeps it reads zeros.
        const chunk = bytes.slice(at, at + size);
        yield chunk;
        chunk.fill(0);
        at += size;
      }
    },
    bytes: () => Promise.resolve(bytes),
  };
}

export function randomChunks(seed: number, largest: number): () => number {
  const random = new RandomStream(seed, "chunks");
  return () => 1 + random.nextInt(largest);
}

export async function readRows(
  format: Format,
  file: ContentFile,
  options: Partial<ReadOptions> = {},
  threads?: ImportThreads,
): Promise<ReadRows> {
  const reader = await format.open(file, { onBadRecord: "fail", ...options });
  if ("train" in reader) throw new Error(`${format.name}: expected rows without a split of their own`);
  const blocks: RowBlock[] = [];
  for await (const block of reader.read(threads)) blocks.push(block);
  const facts = reader.facts();
  const width = facts.featureShape[0]!;
  return {
    count: blocks.reduce((sum, { count }) => sum + count, 0),
    labels: blocks.flatMap(({ labels }) => [...labels]),
    rows: blocks.flatMap(({ features, count }) =>
      "rowStarts" in features ? sparseRows(features) : denseRows(features, count, width),
    ),
    facts,
    blocks: blocks.length,
  };
}

function sparseRows({ rowStarts, columns, values }: CsrRows): [number, number][][] {
  return Array.from(rowStarts.subarray(1), (end, row) =>
    Array.from(columns.subarray(rowStarts[row], end), (column, i): [number, number] => [
      column,
      values[rowStarts[row]! + i]!,
    ]),
  );
}

function denseRows(features: DenseRows, count: number, width: number): [number, number][][] {
  return Array.from({ length: count }, (_, row) =>
    Array.from(features.subarray(row * width, (row + 1) * width), (value, c): [number, number] => [c, value]),
  );
}
