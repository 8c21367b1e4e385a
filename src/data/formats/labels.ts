// What a column of labels means, found out while rows go by: classes, by number or by name, or regression targets.

import { SltrainError } from "../../errors.ts";
import type { LabelKind } from "../format.ts";
import type { LabelMeaning } from "../rows.ts";

/** Above it, whole numbers are taken for quantities rather than for classes. */
export const MAX_CLASSES = 1000;
/** Names of classes are kept in memory. */
const MAX_NAMES = 65_536;
/** Names get numbers that no label has: they count on from here, downwards. */
const FIRST_NAME_CODE = -(2 ** 52);

interface Seen {
  /** As it stands in the file. */
  readonly text: string;
  /** Where it was first seen. */
  readonly line: number;
}

/** The distinct labels of a part of a source, in the order in which they came. */
export interface SeenLabels {
  readonly numbers: ReadonlyMap<number, Seen>;
  readonly names: ReadonlyMap<string, NameSeen>;
}

interface NameSeen {
  /** The number that stands for the name. */
  readonly code: number;
  readonly line: number;
}

/** The distinct labels of a source: at most 65,536 names, and as many numbers as can be classes. */
export class LabelColumn {
  #numbers = new Map<number, Seen>();
  #names = new Map<string, NameSeen>();
  #tooManyNumbers = false;
  #last = NaN;
  readonly #maxNames: number;

  constructor(maxNames = MAX_NAMES) {
    this.#maxNames = maxNames;
  }

  /** Whether it matters which numbers come: not where they are too many to be classes. */
  get countsNumbers(): boolean {
    return !this.#tooManyNumbers;
  }

  /** What was seen since the last call, which is forgotten. */
  take(): SeenLabels {
    const seen = { numbers: this.#numbers, names: this.#names };
    this.#numbers = new Map();
    this.#names = new Map();
    this.#last = NaN;
    return seen;
  }

  /** Labels from now on; `countsNumbers`: whether numbers are told apart. */
  begin(countsNumbers: boolean): void {
    this.#tooManyNumbers = !countsNumbers;
  }

  /**
   * Takes in what another column saw behind `linesBefore` lines of `where`. Returns what its names' codes are here, where
   * any differs. @throws SltrainError "data-label"
   */
  join(seen: SeenLabels, linesBefore: number, where: string): ReadonlyMap<number, number> | undefined {
    const codes = new Map<number, number>();
    for (const [name, { code, line }] of seen.names) {
      const here = this.addName(name, linesBefore + line, where);
      if (here !== code) codes.set(code, here);
    }
    for (const [value, { text, line }] of seen.numbers) this.addNumber(value, linesBefore + line, () => text);
    return codes.size > 0 ? codes : undefined;
  }

  /** `text` is called for a number that is new only. */
  addNumber(value: number, line: number, text: () => string): number {
    // Runs of one label are common, and a comparison is cheaper than a look-up.
    if (value === this.#last || this.#tooManyNumbers) return value;
    if (!this.#numbers.has(value)) {
      this.#numbers.set(value, { text: text(), line });
      this.#tooManyNumbers = this.#numbers.size > MAX_NAMES;
    }
    this.#last = value;
    return value;
  }

  /** The number that stands for a label which is none. @throws SltrainError "data-label" */
  addName(name: string, line: number, where: string): number {
    const known = this.#names.get(name);
    if (known) return known.code;
    if (this.#names.size === this.#maxNames || this.#tooManyNumbers) {
      throw labelError(`${where}, line ${line}`, `at most ${MAX_NAMES} classes or numbers alone`, name);
    }
    const code = FIRST_NAME_CODE - this.#names.size;
    this.#names.set(name, { code, line });
    return code;
  }

  /**
   * Names give classes in alphabetical order. Whole numbers of 0..999 give those classes; a table's other numbers are
   * targets, or refused where its column is called `label` or `class`.
   * @param kind what they are, if the user says it
   * @throws SltrainError "data-label" naming the line of a label that is no class, or no number.
   */
  meaningOfTable(where: string, namedClass: boolean, kind: LabelKind | undefined): LabelMeaning {
    if (kind === "targets") return this.#targets(where);
    if (this.#names.size > 0) return this.#namedClasses();
    const isClass = (value: number) => Number.isInteger(value) && value >= 0 && value < MAX_CLASSES;
    const wrong = [...this.#numbers].find(([value]) => !isClass(value));
    if (!wrong && !this.#tooManyNumbers) {
      const highest = [...this.#numbers.keys()].reduce((high, value) => Math.max(high, value), 0);
      return { kind: "classes", values: Array.from({ length: highest + 1 }, (_, value) => value) };
    }
    if (kind === "classes") return this.#classesThatOccur(where);
    if (!namedClass || !wrong) return { kind: "targets" };
    const [, { text, line }] = wrong;
    throw labelError(
      `${where}, line ${line}`,
      `a class in 0..${MAX_CLASSES - 1} or a name`,
      text,
      AS_TARGETS,
    );
  }

  /**
   * Whole numbers are classes, each that occurs (-1 and 1, 1..7), unless they are more than 1,000; others are targets.
   * @param kind what they are, if the user says it @throws SltrainError "data-label" if they cannot be that
   */
  meaningOfNumbers(where: string, kind: LabelKind | undefined): LabelMeaning {
    if (kind === "targets") return this.#targets(where);
    const areClasses = this.#numbers.size <= MAX_CLASSES && [...this.#numbers.keys()].every(Number.isInteger);
    return areClasses || kind === "classes" ? this.#classesThatOccur(where) : { kind: "targets" };
  }

  #targets(where: string): LabelMeaning {
    const [name] = this.#names;
    if (name) throw labelError(`${where}, line ${name[1].line}`, "a number, to be a target", name[0]);
    return { kind: "targets" };
  }

  #classesThatOccur(where: string): LabelMeaning {
    const values = [...this.#numbers.keys()];
    const broken = [...this.#numbers].find(([value]) => !Number.isInteger(value));
    if (broken) {
      const [, { text, line }] = broken;
      throw labelError(`${where}, line ${line}`, "a whole number or a name, to be a class", text, AS_TARGETS);
    }
    if (this.#tooManyNumbers) {
      throw labelError(where, `at most ${MAX_NAMES} classes`, "more numbers than that", AS_TARGETS);
    }
    values.sort((a, b) => a - b);
    // Classes are numbered from 0: where labels are not, their numbers are names.
    const numbered = values.every((value, index) => value === index);
    return { kind: "classes", values, ...(!numbered && { names: values.map(String) }) };
  }

  #namedClasses(): LabelMeaning {
    const classes = [
      ...[...this.#names].map(([name, { code }]) => ({ name, code })),
      ...[...this.#numbers].map(([code, { text }]) => ({ name: text, code })),
    ].sort((a, b) => (a.name < b.name ? -1 : 1));
    return {
      kind: "classes",
      values: classes.map(({ code }) => code),
      names: classes.map(({ name }) => name),
    };
  }
}

const AS_TARGETS = "Say so if they are targets of a regression: --label-kind targets.";

function labelError(
  where: string,
  expected: string,
  got: string,
  ...others: readonly string[]
): SltrainError {
  return new SltrainError({
    code: "data-label",
    message: `${where}: expected ${expected}, got "${got}"`,
    suggestions: ["Correct the label, or remove the record.", ...others],
  });
}
