// What all commands share: an error of ours is told with its code and remedies, without a stack; a misspelt flag is
// told with the flag that was meant.

import { Command, Flags } from "@oclif/core";
import { nearestName } from "../nearest-name.ts";
import { SltrainError } from "../errors.ts";

export const jsonFlag = Flags.boolean({
  summary: "Print JSON on stdout and nothing else there (docs/json.md).",
});

interface OclifError extends Error {
  readonly oclif?: { readonly exit?: number };
}

export abstract class SltrainCommand extends Command {
  protected override catch(error: Error & { exitCode?: number }): Promise<unknown> {
    const told = explainFlag(error, Object.keys(this.ctor.flags));
    if (!(told instanceof SltrainError)) return super.catch(told);
    this.error(told.message, {
      code: told.code,
      suggestions: [...told.suggestions],
      exit: exitCodeOf(told),
    });
  }
}

/** Exit codes other than 1. 2 is oclif's for a wrong use of the command line. */
const EXIT_CODES: Readonly<Record<string, number>> = { "flag-unknown": 2 };

export function exitCodeOf(error: Error): number {
  return (error instanceof SltrainError ? EXIT_CODES[error.code] : (error as OclifError).oclif?.exit) ?? 1;
}

/** oclif's "Nonexistent flag" with the flag that was meant; any other error as it is. */
export function explainFlag(error: Error, known: readonly string[]): Error {
  // oclif does not export the class.
  const unknown = (error as { readonly flags?: readonly string[] }).flags?.[0];
  if (error.constructor.name !== "NonExistentFlagsError" || unknown === undefined) return error;
  const near = nearestName(
    unknown,
    known.map((name) => `--${name}`),
  );
  return new SltrainError({
    code: "flag-unknown",
    message: `expected one of the command's flags, got ${unknown}`,
    suggestions: [
      near === undefined ? "Run the command with --help to see its flags." : `Did you mean ${near}?`,
    ],
  });
}
