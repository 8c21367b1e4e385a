// sltrain.config.ts, .js or .json in the working directory: its default export (or its JSON) is an object of settings.

import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { SltrainError } from "../errors.ts";
import type { TrainConfigInput } from "./schema.ts";

const CONFIG_FILE_NAMES = ["sltrain.config.ts", "sltrain.config.js", "sltrain.config.json"] as const;

export interface ConfigFile {
  readonly name: string;
  /** Not checked yet. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** Returns its argument: gives a config file completion and type checks. */
export function defineConfig(config: TrainConfigInput): TrainConfigInput {
  return config;
}

/**
 * The config file of `cwd`, or undefined. Throws SltrainError "config-file-ambiguous" if there are several, and
 * "config-file-damaged" if it cannot be read, parsed or run, or is no object.
 */
export async function readConfigFile(cwd: string): Promise<ConfigFile | undefined> {
  const present = await Promise.all(CONFIG_FILE_NAMES.map((name) => exists(join(cwd, name))));
  const found = CONFIG_FILE_NAMES.filter((_, i) => present[i]);
  const name = found[0];
  if (name === undefined) return undefined;
  if (found.length > 1) {
    throw new SltrainError({
      code: "config-file-ambiguous",
      message: `expected one config file in ${cwd}, got ${found.join(" and ")}`,
      suggestions: [`Keep one of them, for example ${name}.`],
    });
  }
  const values = await load(join(cwd, name), name);
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    const what = name.endsWith(".json") ? "a JSON object" : "a default export that is an object";
    const got = values === undefined ? "none" : Array.isArray(values) ? "an array" : JSON.stringify(values);
    throw damaged(name, `expected ${what} of settings, got ${got}`);
  }
  return { name, values: values as Record<string, unknown> };
}

async function load(path: string, name: string): Promise<unknown> {
  try {
    if (name.endsWith(".json")) return JSON.parse(await readFile(path, "utf8"));
    const module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
    return module.default;
  } catch (cause) {
    throw damaged(name, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function damaged(name: string, message: string, cause?: unknown): SltrainError {
  return new SltrainError({ code: "config-file-damaged", message: `${name}: ${message}`, cause });
}
