// What `sltrain doctor` found, for people: a line for each check, and under it what to do.

import { styleText } from "node:util";
import { terminalWidth } from "../ui/table.ts";
import type { Outcome, Topic } from "./check.ts";
import type { CheckResult, DoctorReport } from "./examine.ts";

const MARKS = {
  ok: ["ok", "green"],
  info: ["-", "dim"],
  warning: ["warning", "yellow"],
  failing: ["failing", "red"],
} as const satisfies Record<Outcome, readonly [string, string]>;
const MARK_WIDTH = Math.max(...Object.values(MARKS).map(([text]) => text.length));

const HEADINGS: Readonly<Record<Topic, string>> = {
  machine: "This machine",
  stores: "Stores",
  lambda: "AWS Lambda",
};

export function doctorView({ healthy, checks }: DoctorReport, width = terminalWidth()): string {
  const nameWidth = Math.max(...checks.map(({ name }) => name.length));
  const sections = Object.entries(HEADINGS).map(([topic, heading]) =>
    [
      styleText("bold", heading),
      ...checks.filter((check) => check.topic === topic).map((check) => line(check, nameWidth, width)),
    ].join("\n"),
  );
  return [...sections, verdict(healthy, checks)].join("\n\n");
}

function line({ name, outcome, found, remedies }: CheckResult, nameWidth: number, width: number): string {
  const [text, colour] = MARKS[outcome];
  const indent = " ".repeat(MARK_WIDTH + nameWidth + 4);
  const [first = "", ...rest] = wrap(found, width - indent.length);
  const advice = remedies.flatMap((remedy) =>
    wrap(remedy, width - indent.length - 2).map((l, i) => (i ? "  " : "→ ") + l),
  );
  return [
    `${styleText(colour, text.padEnd(MARK_WIDTH))}  ${name.padEnd(nameWidth)}  ${first}`,
    ...[...rest, ...advice].map((l) => indent + l),
  ].join("\n");
}

/** Lines of at most `width` characters, but for words that are longer; a command is one, so that it can be copied. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.match(/[^\s`]*`[^`]*`\S*|\S+/g) ?? []) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function verdict(healthy: boolean, checks: readonly CheckResult[]): string {
  const failing = checks.filter(({ outcome }) => outcome === "failing");
  if (!healthy) return styleText("red", "Not ready: mend what is failing above.");
  if (failing.length === 0) return "Ready.";
  return "Ready to train here; not on AWS Lambda, for which see above.";
}
