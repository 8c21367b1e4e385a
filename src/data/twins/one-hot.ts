// Sparse rows of categories, one of each group: a naive Bayes world, where a linear model is the best there is. A category
// leans to a class; what leans away from the row's class is sometimes drawn again, which sets how far rows can be told.

import { hashName } from "../../random.ts";
import type { RowBlock } from "../rows.ts";
import { CsrBuilder, hash32, leaningOf } from "./sparse.ts";
import type { Twin } from "./twin.ts";
import type { Xoshiro } from "./xoshiro.ts";

export interface OneHotTable {
  readonly name: string;
  /** How many categories each group has; the frequent ones come first (log-uniform, near Zipf's law). */
  readonly groups: readonly number[];
  /** Columns that categories are hashed into; without it each has its own. */
  readonly hashedColumns?: number;
  /** Of class 1. */
  readonly positiveShare: number;
  /** 0..1: how often a category that leans to the other class is drawn again. */
  readonly separation: number;
  /** The numbers that stand for the two classes in the original's files. */
  readonly labels: readonly [number, number];
}

export function oneHotTwin(table: OneHotTable): Twin {
  const { groups, hashedColumns, separation } = table;
  const starts = groups.map((_, g) => groups.slice(0, g).reduce((sum, size) => sum + size, 0));
  const categories = groups.reduce((sum, size) => sum + size, 0);
  const columns = hashedColumns ?? categories;
  const salt = hashName(table.name);
  const logSizes = groups.map((size) => Math.log(size + 1));

  function makeRows(random: Xoshiro, count: number): RowBlock {
    const rows = new CsrBuilder(count, groups.length);
    const labels = new Float64Array(count);
    const row = new Uint32Array(groups.length);
    for (let r = 0; r < count; r++) {
      const positive = random.nextUniform() < table.positiveShare;
      for (let g = 0; g < groups.length; g++) {
        const draw = () =>
          starts[g]! + Math.min(groups[g]!, Math.floor(Math.exp(random.nextUniform() * logSizes[g]!))) - 1;
        let category = draw();
        const leaning = leaningOf(category, salt);
        const against = positive ? -leaning : leaning;
        if (against > 0 && random.nextUniform() < separation * against) category = draw();
        row[g] = hashedColumns === undefined ? category : hash32(category, salt) % hashedColumns;
      }
      rows.addBinary(row);
      labels[r] = table.labels[positive ? 1 : 0];
    }
    return { count, features: rows.finish(), labels };
  }

  return {
    facts: {
      featureShape: [columns],
      featureType: "csr",
      labels: { kind: "classes", values: table.labels },
    },
    rowsPerBlock: Math.floor(2 ** 20 / (8 * groups.length)),
    makeRows,
  };
}
