// One data set as a page of text: what its rows are, how they are distributed, what the first of them look like.

import { styleText } from "node:util";
import type { DataDescription, SampleRow } from "../coordinator/describe-data.ts";
import { isOfBytes } from "../data/vocabulary.ts";
import { counted, formatBytes, formatCount, formatPercent } from "../units.ts";
import { featuresText, taskText } from "./data-table.ts";
import { drawTable } from "./table.ts";

/** More columns than this are counted, not listed. */
const LISTED_FEATURES = 40;
const LISTED_CLASSES = 20;
/** Of a row that is shown. */
const SHOWN_VALUES = 40;

export function dataReport(data: DataDescription, width: number): string {
  const { counts, blocks, bytes, storedBytes, runs, skippedRecords } = data;
  const facts: [string, string][] = [
    ["id", data.id],
    ["source", data.source],
    ["rows", `${formatCount(counts.train)} to train on, ${formatCount(counts.validation)} to validate on`],
    ["features", featuresText(data.featureShape, data.featureType) + densityText(data)],
    ["labels", taskText(data.task, data.classes) + vocabularyText(data)],
    ...(skippedRecords > 0
      ? [["left out", counted(skippedRecords, "record") + " that could not be read"] as [string, string]]
      : []),
    [
      "stored",
      `${formatBytes(storedBytes)} in ${counted(blocks.train + blocks.validation, "block")}, ` +
        `${formatBytes(bytes)} in memory (${(bytes / storedBytes).toFixed(1)}:1)`,
    ],
    ["runs", runs.length === 0 ? "none" : runs.join(", ")],
    ["sha256", data.contentHash],
  ];
  return [
    styleText("bold", data.names.length > 0 ? data.names.join(", ") : data.name),
    ...facts.map(([name, value]) => `${styleText("dim", name.padEnd(10))}${value}`),
    ...section(classTable(data)),
    ...section(statisticsTable(data, width)),
    ...section(data.task === "next-token" ? textTable(data.samples) : sampleTable(data.samples, width)),
  ].join("\n");
}

function section(text: string | undefined): string[] {
  return text === undefined ? [] : ["", text];
}

function vocabularyText({ task, classNames = [] }: DataDescription): string {
  if (task !== "next-token") return "";
  return isOfBytes(classNames) ? ", bytes" : `: ${JSON.stringify(classNames.join(""))}`;
}

function densityText({ density, maxRowNonZeros }: DataDescription): string {
  if (density === null) return "";
  const share = density >= 0.001 ? formatPercent(density) : `${(density * 100).toPrecision(2)}%`;
  return `, ${share} not zero, at most ${formatCount(maxRowNonZeros ?? 0)} in a row`;
}

const right = { align: "right" } as const;

function classTable({ classCounts, classNames, task }: DataDescription): string | undefined {
  if (task !== "classification") return undefined;
  const { train, validation } = classCounts;
  const total = train.reduce((sum, count) => sum + count, 0);
  const found = [...train.keys()].filter((index) => train[index]! + (validation[index] ?? 0) > 0);
  const rows = found
    .slice(0, LISTED_CLASSES)
    .map((index) => [
      classNames?.[index] ?? String(index),
      formatCount(train[index]!),
      formatCount(validation[index] ?? 0),
      formatPercent(train[index]! / total),
    ]);
  const table = drawTable(
    [
      { header: "class" },
      { header: "train", ...right },
      { header: "validation", ...right },
      { header: "share", ...right },
    ],
    rows,
  );
  const rest = [
    ...(found.length > LISTED_CLASSES ? [`and ${formatCount(found.length - LISTED_CLASSES)} more`] : []),
    ...(found.length < train.length
      ? [`${counted(train.length - found.length, "class", "classes")} without rows`]
      : []),
  ];
  return [table, ...rest].join("\n");
}

function statisticsTable(
  { statistics, featureNames, task }: DataDescription,
  width: number,
): string | undefined {
  // Numbers of tokens are names: their mean says nothing.
  if (!statistics || task === "next-token") return undefined;
  const { min, max, mean, deviation } = statistics;
  const name = (index: number) =>
    min.length === 1 ? "all values" : (featureNames?.[index] ?? String(index));
  const filled = [...min.keys()].filter((index) => min[index] !== 0 || max[index] !== 0);
  const rows = filled
    .slice(0, LISTED_FEATURES)
    .map((index) => [
      name(index),
      ...[min[index]!, max[index]!, mean[index]!, deviation[index]!].map(number),
    ]);
  const headers = ["min", "max", "mean", "deviation"].map((header) => ({ header, ...right }));
  const table = drawTable([{ header: "feature" }, ...headers], rows, width);
  const rest = [
    ...(filled.length > LISTED_FEATURES
      ? [`and ${counted(filled.length - LISTED_FEATURES, "feature")} more: --json has all`]
      : []),
    ...(filled.length < min.length
      ? [`${counted(min.length - filled.length, "feature")} of zeros alone`]
      : []),
  ];
  return [table, ...rest].join("\n");
}

/** Whole rows, as a program's text would have them: a blank at the end or a tab is seen. */
function textTable(samples: readonly SampleRow[]): string | undefined {
  if (samples.length === 0) return undefined;
  return [styleText("dim", "text"), ...samples.map(({ text }) => JSON.stringify(text))].join("\n");
}

function sampleTable(samples: readonly SampleRow[], width: number): string | undefined {
  if (samples.length === 0) return undefined;
  const rows = samples.map(({ label, features }) => {
    const shown = features
      .slice(0, SHOWN_VALUES)
      .map((value) => (typeof value === "number" ? number(value) : `${value[0]}:${number(value[1])}`));
    const rest = features.length > SHOWN_VALUES ? ` … (${formatCount(features.length)})` : "";
    return [label === null ? "-" : String(label), shown.join(" ") + rest];
  });
  return drawTable([{ header: "label" }, { header: "stored values" }], rows, width);
}

/** Four digits, and no exponent where there need not be one. */
function number(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e9
    ? String(value)
    : String(Number(value.toPrecision(4)));
}
