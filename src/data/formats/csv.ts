// CSV and TSV as rows: feature columns of numbers, or of text that is hashed, and one column of labels. csv-layout.ts says
// by which rules columns are told apart.

import type { ContentFile, Format, ReadOptions } from "../format.ts";
import type { LabelMeaning, RowBlock, RowFacts, RowReader } from "../rows.ts";
import type { ImportThreads } from "../threads/import-threads.ts";
import type { LayoutOptions } from "./csv-layout.ts";
import { type CsvFacts, CsvParser } from "./csv-parser.ts";
import { LabelColumn } from "./labels.ts";
import type { ParserPlan } from "./record-parsers.ts";
import { readRecords, type ReadingState, type TextTable } from "./text-records.ts";

export const csvFormat: Format = {
  name: "csv",
  description: "CSV or TSV: columns of numbers and one of labels, with or without a header",
  // Any text could be a table: it is asked last.
  matches: (head) => head.length > 0 && !head.includes(0),
  takes: ["onBadRecord", "labelColumn", "labelKind", "hashBits"],
  open: (file, options) => new CsvReader(file, options),
};

/**
 * Rows of `expectedFeatures` columns for predictions: a table with one column more has labels, which are left out.
 * @throws SltrainError as `csvFormat`, and "data-columns" for any other number of columns.
 */
export function openCsvFeatures(
  file: ContentFile,
  expectedFeatures: number,
  options: ReadOptions,
): RowReader {
  return new CsvReader(file, { ...options, expectedFeatures });
}

class CsvReader implements RowReader, TextTable<CsvFacts> {
  readonly parser: CsvParser;
  readonly #file: ContentFile;
  readonly #options: ReadOptions;
  readonly #state: ReadingState = { skippedRecords: 0 };
  readonly #seen = new LabelColumn();
  #labels: LabelMeaning = { kind: "targets" };

  constructor(file: ContentFile, options: ReadOptions & LayoutOptions) {
    this.#file = file;
    this.#options = options;
    this.parser = new CsvParser(file.path, options);
  }

  async *read(threads?: ImportThreads): AsyncGenerator<RowBlock> {
    yield* readRecords(this.#file, this.#options, this, this.#state, threads);
    this.#labels = this.#labelMeaning();
  }

  threadParser(): ParserPlan | undefined {
    const { layout } = this.parser;
    return layout && { format: "csv", layout, hashBits: this.#options.hashBits };
  }

  get countsLabels(): boolean {
    return this.#seen.countsNumbers;
  }

  join({ labels }: CsvFacts, block: RowBlock | undefined, linesBefore: number): void {
    const codes = this.#seen.join(labels, linesBefore, this.#labelPlace());
    if (codes) block?.labels.forEach((label, row, all) => (all[row] = codes.get(label) ?? label));
  }

  /** @throws SltrainError "data-label" naming the line of a label that is no class. */
  #labelMeaning(): LabelMeaning {
    const { layout } = this.parser;
    if (!layout || layout.label < 0) return { kind: "targets" };
    return this.#seen.meaningOfTable(this.#labelPlace(), layout.namedClass, this.#options.labelKind);
  }

  #labelPlace(): string {
    const { layout } = this.parser;
    return `${this.#file.path}: column "${layout?.names[layout.label] ?? ""}"`;
  }

  facts(): RowFacts {
    const { width, featureType, featureNames } = this.parser.shape();
    return {
      featureShape: [width],
      featureType,
      labels: this.#labels,
      ...(featureNames && { featureNames }),
      skippedRecords: this.#state.skippedRecords,
    };
  }
}
