// The built function: the folder that tools/build.ts makes of src/worker, as every provider runs it.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SltrainError } from "../errors.ts";
import { zip } from "./lambda/zip.ts";

const PACKAGE_ROOT = import.meta.url.endsWith(".ts") ? "../../" : "../../../";

/** It exists only as built, beside the sources or in the package. */
export const functionFolder = fileURLToPath(new URL(`${PACKAGE_ROOT}dist/function/`, import.meta.url));

/** `FILE.EXPORT`, as Lambda names what it calls. */
export const HANDLER = "handler.handler";

export interface FunctionArchive {
  readonly bytes: Buffer;
  readonly sha256: string;
}

/** Throws SltrainError "function-not-built" in a checkout that was never built. */
export function builtFunction(): string {
  if (existsSync(functionFolder)) return functionFolder;
  throw new SltrainError({
    code: "function-not-built",
    message: `functions: expected the built function in ${functionFolder}, got nothing there`,
    suggestions: ["Run `npm run build`."],
  });
}

/** The function as Lambda takes it. Equal sources give equal bytes. Throws "function-not-built". */
export function archiveFunction(folder = builtFunction()): FunctionArchive {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length));
  const bytes = zip(new Map(names.map((name) => [name, readFileSync(join(folder, name))])));
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}
