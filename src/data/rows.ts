// Rows on their way from a source to a model: in blocks, each value as compact as the source has it, dense or sparse.

import type { Split } from "./dataset.ts";
import type { ImportThreads } from "./threads/import-threads.ts";

/** How features are kept in memory and in blocks. */
export type FeatureType = "u8" | "f16" | "f32" | "csr";

/** (rows, ...featureShape), row-major. */
export type DenseRows = Uint8Array | Float16Array | Float32Array;

/** Row r has the non-zeros rowStarts[r]..rowStarts[r + 1]; the columns of a row rise. */
export interface CsrRows {
  /** (rows + 1), the first is 0. */
  readonly rowStarts: Uint32Array;
  /** (nonZeros), from 0. */
  readonly columns: Uint32Array;
  /** (nonZeros) */
  readonly values: Float32Array;
}

export type FeatureRows = DenseRows | CsrRows;

/** A run of rows as a reader hands them on: about a mebibyte, at least one row. The receiver owns it. */
export interface RowBlock {
  readonly count: number;
  readonly features: FeatureRows;
  /** (count): labels as numbers of the source's own; `LabelMeaning` says of what. Empty for "next-token". */
  readonly labels: Float64Array;
  /** Gives the memory back for later blocks, to whoever made this one: the rows are gone afterwards. */
  readonly release?: () => void;
}

/** What the numbers in `RowBlock.labels` mean; known when all rows have been read. */
export type LabelMeaning =
  /** Class i is what had the label values[i]; `names` are the classes' names, where the source has any. */
  | { readonly kind: "classes"; readonly values: readonly number[]; readonly names?: readonly string[] }
  /** Regression targets, as they are. */
  | { readonly kind: "targets" }
  /** A row is a run of tokens, and each of them but the first the label of those before it. */
  | { readonly kind: "next-token"; readonly vocabulary: readonly string[] };

/** What is known of a source when its rows have been read. */
export interface RowFacts {
  /** Of one row: [28, 28, 1] for images (HWC), [20] for columns; of sparse rows [the highest column + 1]. */
  readonly featureShape: readonly number[];
  readonly featureType: FeatureType;
  readonly labels: LabelMeaning;
  /** By column, where the source has names for them. */
  readonly featureNames?: readonly string[];
  /** Records that were left out because they are bad, by --on-bad-record skip. */
  readonly skippedRecords: number;
}

/** Rows of one source, read once and in order, in memory that does not grow with their number. */
export interface RowReader {
  /**
   * On `threads`, if there are any and it can: the same blocks in the same order.
   * @throws SltrainError "data-*" naming file and line, record or column, what was expected and what came.
   */
  read(threads?: ImportThreads): AsyncIterable<RowBlock>;
  /** After the last block. */
  facts(): RowFacts;
}

/** All rows of a source, to be split at random; or its own split. */
export type SourceRows = RowReader | Readonly<Record<Split, RowReader>>;
