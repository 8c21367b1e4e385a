// Which of the options of reading mean something for rows that are read in a certain way. One that would change nothing is a
// mistake where somebody asked for it, and is left out where it stands in a file for other data.

import { SltrainError } from "../errors.ts";
import type { ReadOption, ReadOptions } from "./format.ts";
import type { OnProgress } from "./progress.ts";

/** How a source is to be read; all of it may be left out. */
export interface PathOptions extends Partial<ReadOptions> {
  /** The format's name; default: what the content says. */
  readonly format?: string | undefined;
}

/** Whether the user asked for this very option, now. */
export type IsAsked = (option: keyof PathOptions) => boolean;

export interface ReadRequest {
  /** How it is to be read. What means nothing for it is refused if the user asked for it. */
  readonly read?: PathOptions | undefined;
  /** Default: for all of `read`. */
  readonly isAsked?: IsAsked | undefined;
  readonly onProgress?: OnProgress | undefined;
}

const SPELT: Readonly<Record<keyof PathOptions, string>> = {
  format: "a format",
  onBadRecord: "--on-bad-record skip",
  labelColumn: "--label-column",
  labelKind: "--label-kind",
  hashBits: "--hash-bits",
  imageSize: "--image-size",
  contextLength: "--context-length",
};

/**
 * The options of `given` that are among `takes`.
 * @param where what is read, for people: `a.idx, which is idx`
 * @param remedies for one that is not
 * @throws SltrainError "data-options" naming those that somebody asked for in vain
 */
export function applicableOptions(
  given: PathOptions,
  takes: readonly (keyof PathOptions)[],
  where: string,
  isAsked: IsAsked = () => true,
  remedies: (option: ReadOption | "format") => readonly string[] = () => [],
): PathOptions {
  const all = Object.entries(given).filter(([, value]) => value !== undefined) as [
    keyof PathOptions,
    unknown,
  ][];
  // To fail is what all formats do of themselves.
  const inVain = all.filter(([key, value]) => !takes.includes(key) && value !== "fail");
  const mistakes = inVain.map(([key]) => key).filter(isAsked);
  if (mistakes.length > 0) {
    const usable = takes.map((key) => SPELT[key]).join(", ");
    throw new SltrainError({
      code: "data-options",
      message:
        `${where}: expected ${usable === "" ? "nothing of how to read it" : `of options how to read it at most ${usable}`}, ` +
        `got ${mistakes.map((key) => SPELT[key]).join(", ")}`,
      suggestions: ["Leave it out: it would change nothing.", ...mistakes.flatMap(remedies)],
    });
  }
  return Object.fromEntries(all.filter(([key]) => takes.includes(key)));
}
