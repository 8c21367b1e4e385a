// The parsers of text formats by what makes them: what a thread has to be told of a file.

import type { CsvLayout } from "./csv-layout.ts";
import { CsvParser } from "./csv-parser.ts";
import { LibsvmParser } from "./libsvm-parser.ts";
import type { RecordParser } from "./text-records.ts";

/** Survives a structured clone. */
export type ParserPlan =
  | { readonly format: "libsvm"; readonly firstIndex: 0 | 1 }
  | { readonly format: "csv"; readonly layout: CsvLayout; readonly hashBits: number | undefined };

export function makeParser(plan: ParserPlan): RecordParser<unknown> {
  if (plan.format === "libsvm") return new LibsvmParser(plan.firstIndex);
  return new CsvParser("", { hashBits: plan.hashBits }, plan.layout);
}
