// LibSVM / SVMlight text: `label index:value index:value … # comment`, the form of a9a, RCV1 and the sparse Higgs.
// https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/

import type { ContentFile, Format, ReadOptions } from "../format.ts";
import type { RowBlock, RowFacts, RowReader } from "../rows.ts";
import type { ImportThreads } from "../threads/import-threads.ts";
import { LabelColumn } from "./labels.ts";
import { type FirstIndex, type LibsvmFacts, LibsvmParser } from "./libsvm-parser.ts";
import type { ParserPlan } from "./record-parsers.ts";
import { readRecords, type ReadingState, type TextTable } from "./text-records.ts";

const FIRST_LINE = /^\ufeff?\s*[+-]?[\d.][\d.eE+-]*(\s+qid:\d+)?(\s+\d+:[^\s:]+)+\s*(#.*)?$/;
/** Enough of a long line to recognise it by. */
const RECOGNISED_BYTES = 4096;

export const libsvmFormat: Format = {
  name: "libsvm",
  description: "LibSVM / SVMlight text: label index:value …",
  matches: (head) => FIRST_LINE.test(firstLine(head)),
  takes: ["onBadRecord", "labelKind"],
  open: (file, options) => new LibsvmReader(file, options, undefined),
};

/** For a file whose first block of rows happens to have no feature 0. */
export const zeroBasedLibsvmFormat: Format = {
  name: "libsvm:zero-based",
  description: "LibSVM text whose indices count from 0",
  matches: () => false,
  takes: ["onBadRecord", "labelKind"],
  open: (file, options) => new LibsvmReader(file, options, 0),
};

/** The first line that is neither empty nor a comment; of a long one its beginning, without a token that is cut in two. */
function firstLine(head: Uint8Array): string {
  const text = new TextDecoder().decode(head.subarray(0, RECOGNISED_BYTES));
  const line = /^[^\n]*[^\s#][^\n]*/m.exec(text.replaceAll(/^\s*#.*$/gm, ""))?.[0] ?? "";
  return text.endsWith(line) && head.length > RECOGNISED_BYTES ? line.replace(/\s\S*$/, "") : line;
}

class LibsvmReader implements RowReader, TextTable<LibsvmFacts> {
  readonly parser: LibsvmParser;
  readonly #file: ContentFile;
  readonly #options: ReadOptions;
  readonly #state: ReadingState = { skippedRecords: 0 };
  readonly #labels = new LabelColumn();
  #highestIndex = -1;

  constructor(file: ContentFile, options: ReadOptions, firstIndex: FirstIndex) {
    this.#file = file;
    this.#options = options;
    this.parser = new LibsvmParser(firstIndex);
  }

  read(threads?: ImportThreads): AsyncIterable<RowBlock> {
    return readRecords(this.#file, this.#options, this, this.#state, threads);
  }

  threadParser(): ParserPlan | undefined {
    const { firstIndex } = this.parser;
    return firstIndex === undefined ? undefined : { format: "libsvm", firstIndex };
  }

  get countsLabels(): boolean {
    return this.#labels.countsNumbers;
  }

  join({ labels, highestIndex }: LibsvmFacts, _: RowBlock | undefined, linesBefore: number): void {
    this.#labels.join(labels, linesBefore, this.#file.path);
    this.#highestIndex = Math.max(this.#highestIndex, highestIndex);
  }

  facts(): RowFacts {
    return {
      featureShape: [Math.max(0, this.#highestIndex + 1 - (this.parser.firstIndex ?? 1))],
      featureType: "csr",
      labels: this.#labels.meaningOfNumbers(this.#file.path, this.#options.labelKind),
      skippedRecords: this.#state.skippedRecords,
    };
  }
}
