// Texts to parse, of the shapes of real data sets: made from a seed, so that every machine parses the same bytes.

import { RandomStream } from "../../src/random.ts";

export interface TextCase {
  readonly name: string;
  readonly format: "libsvm" | "csv";
  /** What the lines are like. */
  readonly description: string;
  readonly hashBits?: number;
  readonly line: (random: RandomStream) => string;
}

/** f32 numbers as their shortest decimals. */
const number = (random: RandomStream) => String(Math.fround(random.nextNormal() * 2)).slice(0, 11);
const label = (random: RandomStream) => (random.nextInt(2) === 0 ? "0" : "1");
const times = (count: number, make: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => make(i));

/** Rising columns, `gap` apart in the mean. */
function pairs(random: RandomStream, count: number, gap: number, value: () => string): string[] {
  let column = 0;
  return times(count, () => `${(column += 1 + random.nextInt(2 * gap))}:${value()}`);
}

export const TEXT_CASES: readonly TextCase[] = [
  {
    name: "higgs.csv",
    format: "csv",
    description: "28 numbers of 9 digits",
    line: (random) => [...times(28, () => number(random)), label(random)].join(","),
  },
  {
    name: "higgs-18.csv",
    format: "csv",
    description: "28 numbers of 19 digits, as UCI has them",
    line: (random) =>
      [...times(28, () => Math.fround(random.nextNormal()).toExponential(18)), label(random)].join(","),
  },
  {
    name: "covtype.csv",
    format: "csv",
    description: "54 whole numbers",
    line: (random) =>
      [
        ...times(10, () => String(random.nextInt(3000))),
        ...times(44, () => label(random)),
        String(1 + random.nextInt(7)),
      ].join(","),
  },
  {
    name: "criteo.tsv",
    format: "csv",
    description: "13 counts, 26 words hashed into 2^18",
    hashBits: 18,
    line: (random) =>
      [
        ...times(13, () => (random.nextInt(4) === 0 ? "" : String(random.nextInt(500)))),
        ...times(26, () => (random.nextInt(1 << 16) * 65_599).toString(16).padStart(8, "a")),
        label(random),
      ].join("\t"),
  },
  {
    name: "higgs.libsvm",
    format: "libsvm",
    description: "28 numbers of 9 digits",
    line: (random) => [label(random), ...times(28, (i) => `${i + 1}:${number(random)}`)].join(" "),
  },
  {
    name: "a9a.libsvm",
    format: "libsvm",
    description: "14 ones among 123",
    line: (random) => [random.nextInt(2) === 0 ? "-1" : "+1", ...pairs(random, 14, 4, () => "1")].join(" "),
  },
  {
    name: "rcv1.libsvm",
    format: "libsvm",
    description: "74 weights among 47,236",
    line: (random) =>
      [
        random.nextInt(2) === 0 ? "-1" : "1",
        ...pairs(random, 74, 300, () => random.nextUniform().toPrecision(15)),
      ].join(" "),
  },
];

/** At least `sizeBytes` of whole lines: some thousand of them, again and again. */
export function makeText({ name, line }: TextCase, sizeBytes: number): Uint8Array {
  const random = new RandomStream(7, name);
  const once = new TextEncoder().encode(times(2000, () => `${line(random)}\n`).join(""));
  const copies = Math.ceil(sizeBytes / once.length);
  const text = new Uint8Array(copies * once.length);
  for (let i = 0; i < copies; i++) text.set(once, i * once.length);
  return text;
}
