// Documents as sparse rows: as many words as the original's have, drawn by Zipf's law; words lean to a class, as the
// categories of one-hot.ts do.

import { hashName } from "../../random.ts";
import type { RowBlock } from "../rows.ts";
import { normalQuantile, quantilesOf, sample } from "./quantiles.ts";
import { CsrBuilder, leaningOf } from "./sparse.ts";
import type { Twin } from "./twin.ts";
import type { Xoshiro } from "./xoshiro.ts";

export interface Corpus {
  readonly name: string;
  /** Columns. */
  readonly words: number;
  /** Median and spread (log-normal) of how many words are drawn; some of them come twice. */
  readonly drawnWords: number;
  readonly drawnSpread: number;
  readonly maxDrawnWords: number;
  /** One for every word, or tf-idf in rows of length 1. */
  readonly values: "binary" | "normalised";
  readonly positiveShare: number;
  /** 0..1: how often a word that leans to the other class is drawn again. */
  readonly separation: number;
}

export function bagOfWordsTwin(corpus: Corpus): Twin {
  const { words, maxDrawnWords, separation } = corpus;
  const salt = hashName(corpus.name);
  const logWords = Math.log(words + 1);
  const lengths = quantilesOf((p) => corpus.drawnWords * Math.exp(corpus.drawnSpread * normalQuantile(p)));
  // Ranks are scattered over the columns, as the alphabet scatters them. The prime divides no number of words here.
  const columnOf = (rank: number) => (rank * 7919) % words;
  const idf = new Float32Array(words);
  for (let rank = 0; rank < words; rank++) idf[columnOf(rank)] = 1 + Math.log(rank + 2);

  function makeRows(random: Xoshiro, count: number): RowBlock {
    const rows = new CsrBuilder(count, maxDrawnWords);
    const labels = new Float64Array(count);
    const drawn = new Uint32Array(maxDrawnWords);
    const draw = () => Math.min(words, Math.floor(Math.exp(random.nextUniform() * logWords))) - 1;
    for (let r = 0; r < count; r++) {
      const positive = random.nextUniform() < corpus.positiveShare;
      const length = Math.max(1, Math.min(maxDrawnWords, Math.round(sample(lengths, random.nextU32()))));
      for (let i = 0; i < length; i++) {
        let rank = draw();
        const leaning = leaningOf(rank, salt);
        const against = positive ? -leaning : leaning;
        if (against > 0 && random.nextUniform() < separation * against) rank = draw();
        drawn[i] = columnOf(rank);
      }
      const row = drawn.subarray(0, length);
      if (corpus.values === "binary") rows.addBinary(row);
      else rows.addNormalised(row, (column) => idf[column]!);
      labels[r] = positive ? 1 : -1;
    }
    return { count, features: rows.finish(), labels };
  }

  return {
    facts: {
      featureShape: [words],
      featureType: "csr",
      labels: { kind: "classes", values: [-1, 1] },
    },
    rowsPerBlock: Math.floor(2 ** 20 / (8 * corpus.drawnWords)),
    makeRows,
  };
}
