// A table of independent columns whose two classes a fixed teacher tells apart: a linear score, products of columns that
// no linear model sees, and noise. The shares of the three set what a linear model and what any model can reach.

import { RandomStream } from "../../random.ts";
import type { RowBlock } from "../rows.ts";
import { momentsOf, NORMAL, normalQuantile, quantilesOf, sample, type Quantiles } from "./quantiles.ts";
import type { Twin } from "./twin.ts";
import type { Xoshiro } from "./xoshiro.ts";

/** Fixed: only rows depend on a run's seed. */
const TEACHER_SEED = 28;

export interface TeacherTable {
  /** The distribution of each column. */
  readonly columns: readonly Quantiles[];
  readonly columnNames: readonly string[];
  /** Standard deviations of the score's linear, product and noise parts. */
  readonly linear: number;
  readonly products: number;
  readonly noise: number;
  /** Pairs of columns, from the first on, whose products count. */
  readonly pairs: number;
  /** Added to the score: above 0, class 1 is the larger one. */
  readonly bias: number;
}

export function teacherTwin(table: TeacherTable): Twin {
  const { columns, pairs } = table;
  const width = columns.length;
  const moments = columns.map(momentsOf);
  const stream = new RandomStream(TEACHER_SEED, "teacher");
  const direction = columns.map(() => stream.nextNormal());
  const norm = Math.hypot(...direction);
  const weight = Float64Array.from(direction, (w) => (w / norm) * table.linear);
  const productWeight = table.products / Math.sqrt(Math.max(1, pairs));
  // z = x * scale + offset is a column with mean 0 and deviation 1.
  const scale = Float64Array.from(moments, ({ deviation }) => 1 / deviation);
  const offset = Float64Array.from(moments, ({ mean, deviation }) => -mean / deviation);

  function makeRows(random: Xoshiro, count: number): RowBlock {
    const draws = new Uint32Array(count * (width + 1));
    random.fill(draws);
    const features = new Float32Array(count * width);
    const labels = new Float64Array(count);
    for (let row = 0, at = 0, draw = 0; row < count; row++) {
      let score = table.bias + table.noise * sample(NORMAL, draws[draw++]!);
      let previous = 0;
      for (let j = 0; j < width; j++, at++) {
        features[at] = sample(columns[j]!, draws[draw++]!);
        const z = features[at]! * scale[j]! + offset[j]!;
        score += weight[j]! * z;
        if (j & 1 && j < 2 * pairs) score += productWeight * previous * z;
        previous = z;
      }
      labels[row] = score > 0 ? 1 : 0;
    }
    return { count, features, labels };
  }

  return {
    facts: {
      featureShape: [width],
      featureType: "f32",
      labels: { kind: "classes", values: [0, 1] },
      featureNames: table.columnNames,
    },
    rowsPerBlock: Math.floor(2 ** 20 / (4 * width)),
    makeRows,
  };
}

/** Momenta and masses: above 0, with mean about 1. */
const momentum = quantilesOf((p) => Math.exp(0.55 * normalQuantile(p) - 0.15));
const mass = quantilesOf((p) => Math.exp(0.35 * normalQuantile(p) - 0.06));
const angle = quantilesOf((p) => 1.743 * (2 * p - 1));
const pseudorapidity = quantilesOf(normalQuantile);
/** Of a jet, in thirds: not looked at, loose, tight. */
const bTag = quantilesOf((p) => (p < 0.5 ? 0 : p < 0.75 ? 1.0865 : 2.173));

const jet = (n: number): [string, Quantiles][] => [
  [`jet ${n} pt`, momentum],
  [`jet ${n} eta`, pseudorapidity],
  [`jet ${n} phi`, angle],
  [`jet ${n} b-tag`, bTag],
];
const HIGGS_COLUMNS: readonly [string, Quantiles][] = [
  ["lepton pT", momentum],
  ["lepton eta", pseudorapidity],
  ["lepton phi", angle],
  ["missing energy magnitude", momentum],
  ["missing energy phi", angle],
  ...[1, 2, 3, 4].flatMap(jet),
  ...["m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb"].map((name): [string, Quantiles] => [
    name,
    mass,
  ]),
];

/**
 * HIGGS (Baldi, Sadowski and Whiteson 2014): 28 columns, 53 % signal. Logistic regression reaches about 64 %, as on the
 * real one; the teacher without its noise about 75 %, as deep networks do there.
 */
export const higgsTwin = () =>
  teacherTwin({
    columns: HIGGS_COLUMNS.map(([, quantiles]) => quantiles),
    columnNames: HIGGS_COLUMNS.map(([name]) => name),
    linear: 0.41,
    products: 0.59,
    noise: 0.69,
    pairs: 6,
    bias: 0.067,
  });
