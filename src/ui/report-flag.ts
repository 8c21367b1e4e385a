// `--report FILE` of the benches: the folder is asked for before minutes are spent on what would be written there.

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Flags } from "@oclif/core";
import { SltrainError } from "../errors.ts";

/** Throws SltrainError "report-unwritable" if there is no such folder or it cannot be written to. */
export const reportFlag = Flags.custom({
  summary: "Write an HTML page with bars here as well.",
  helpValue: "FILE",
  async parse(path: string) {
    const folder = dirname(resolve(path));
    try {
      await access(folder, constants.W_OK);
    } catch (cause) {
      throw new SltrainError({
        code: "report-unwritable",
        message: `--report ${path}: expected a folder that can be written to, got ${(cause as Error).message}`,
        cause,
        suggestions: [`Make the folder ${folder}, or name another one.`],
      });
    }
    return path;
  },
});
