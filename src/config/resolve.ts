// From flags, environment, config file and defaults to one frozen configuration, and where each value came from.

import { availableParallelism } from "node:os";
import { inspect } from "node:util";
import type { z } from "zod";
import { SltrainError } from "../errors.ts";
import { refuseConflicts } from "./combinations.ts";
import { readConfigFile } from "./file.ts";
import { leaseWithin } from "./lease.ts";
import { defaultsFor } from "./model-defaults.ts";
import { nearestName } from "../nearest-name.ts";
import { withoutCredentials } from "../storage/uri.ts";
import {
  envName,
  flagName,
  type Refusal,
  type TrainConfig,
  type TrainConfigInput,
  trainConfigKeys,
  type TrainConfigKey,
  trainConfigSchema,
  trainFields,
} from "./schema.ts";
import { workerRange } from "./worker-range.ts";

const ENV_PREFIX = "SLTRAIN_";

export type ConfigSource = "flag" | "env" | "file" | "default";

export interface ResolveOptions {
  /** By the flags' names without dashes in front (`batch-size`); undefined values count as not given. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where a config file is looked for. */
  readonly cwd: string;
  /** The default number of workers. Default: the cores that this process may use. */
  readonly cores?: number;
}

export interface ResolvedConfig {
  readonly config: TrainConfig;
  /** Every key is there; optional settings that nobody gave are "default". */
  readonly sources: Readonly<Record<TrainConfigKey, ConfigSource>>;
}

/** One setting as somebody gave it. */
interface Given {
  readonly source: ConfigSource;
  readonly key: TrainConfigKey;
  readonly value: unknown;
  /** What the user has to change: `--lr`, `SLTRAIN_LR`, `sltrain.config.ts: lr`. */
  readonly where: string;
}

/**
 * Flags win over the environment, the environment over the config file, the file over defaults. Every value that was
 * given is checked, also one that another overrides. Throws SltrainError "config-unknown-key", "config-bad-value",
 * "config-file-ambiguous" or "config-file-damaged", naming the flag, variable or file, and what `refuseConflicts` throws.
 */
export async function resolveTrainConfig(options: ResolveOptions): Promise<ResolvedConfig> {
  const { flags, env, cwd, cores = availableParallelism() } = options;
  const values: Partial<Record<TrainConfigKey, unknown>> = {};
  const sources = {} as Record<TrainConfigKey, ConfigSource>;
  for (const key of trainConfigKeys) sources[key] = "default";
  // From the weakest to the strongest: the last one stays.
  for (const given of [...(await fromFile(cwd)), ...fromEnv(env), ...fromFlags(flags)].flatMap(withRange)) {
    values[given.key] = checkedValue(given);
    sources[given.key] = given.source;
  }
  const given = values as TrainConfigInput;
  const defaults = defaultsFor(given);
  const merged = {
    ...defaults,
    ...{ workers: cores, channel: values.storage ?? defaults.storage },
    leaseMs: leaseWithin(given.timeoutS ?? defaults.timeoutS, defaults.leaseMs),
    // Hundreds of functions are started sooner by functions.
    orchestration: values.provider === "lambda" ? "starter" : defaults.orchestration,
    ...values,
  };
  const config = Object.freeze(trainConfigSchema.parse(merged));
  refuseConflicts(config, (key) => sources[key] === "flag");
  return { config, sources: Object.freeze(sources) };
}

function fromFlags(flags: ResolveOptions["flags"]): Given[] {
  const named = Object.entries(flags).map(([name, value]) => [`--${name}`, value] as const);
  return read("flag", named, flagName, (name) => name);
}

/**
 * An empty variable counts as not set. Other parts of sltrain, and oclif, have variables that begin with SLTRAIN_ too:
 * an unknown one is refused only if it looks like one of ours, misspelt.
 */
function fromEnv(env: ResolveOptions["env"]): Given[] {
  const settings = trainConfigKeys.map((key) => envName(key).slice(ENV_PREFIX.length));
  const named = Object.entries(env).filter(
    ([name, value]) =>
      name.startsWith(ENV_PREFIX) &&
      value !== "" &&
      nearestName(name.slice(ENV_PREFIX.length), settings) !== undefined,
  );
  return read("env", named, envName, (name) => name);
}

async function fromFile(cwd: string): Promise<Given[]> {
  const file = await readConfigFile(cwd);
  if (!file) return [];
  return read(
    "file",
    Object.entries(file.values),
    (key) => key,
    (name) => `${file.name}: ${name}`,
  );
}

function read(
  source: ConfigSource,
  entries: readonly (readonly [name: string, value: unknown])[],
  nameOf: (key: TrainConfigKey) => string,
  whereOf: (name: string) => string,
): Given[] {
  const keys = new Map(trainConfigKeys.map((key) => [nameOf(key), key]));
  return entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const key = keys.get(name);
      if (key === undefined) throw unknownKey(whereOf(name), name, [...keys.keys()]);
      return { source, key, value, where: whereOf(name) };
    });
}

function unknownKey(where: string, name: string, names: readonly string[]): SltrainError {
  const near = nearestName(name, names);
  return new SltrainError({
    code: "config-unknown-key",
    message: `${where}: expected the name of a setting, got ${name}`,
    suggestions: [near === undefined ? `The settings are ${names.join(", ")}.` : `Did you mean ${near}?`],
  });
}

/** `workers: "4..16"` is two settings. */
function withRange(given: Given): Given[] {
  const range = given.key === "workers" ? workerRange(given.value) : undefined;
  if (range === undefined) return [given];
  return (["minWorkers", "workers"] as const).map((key) => ({ ...given, key, value: range[key] }));
}

/** What `text`, given as flag `where`, means for a setting. @throws SltrainError "config-bad-value" */
export function checkedFlag(key: TrainConfigKey, text: unknown, where: string): unknown {
  return checkedValue({ source: "flag", key, value: text, where });
}

function checkedValue({ source, key, value, where }: Given): unknown {
  const schema = trainFields[key];
  const isText = typeof value === "string" && source !== "file";
  const result = schema.safeParse(isText ? fromText(value, schema) : value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const refused = issue.code === "custom" ? (issue.params as Refusal | undefined) : undefined;
  const choices = issue.code === "invalid_value" ? issue.values.map(String) : (refused?.names ?? []);
  const near = typeof value === "string" ? nearestName(value, choices) : undefined;
  throw new SltrainError({
    code: "config-bad-value",
    message: `${where}: ${refused ? issue.message : `expected ${issue.message}, got ${show(value)}`}`,
    suggestions: [
      ...(near === undefined ? [] : [`Did you mean ${near}?`]),
      ...(refused?.refusal.suggestions ?? []),
      ...boundOf(issue),
    ],
  });
}

/** The nearest value that a number may have. */
function boundOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "too_small" && issue.origin === "number" && issue.inclusive === true) {
    return [`The smallest is ${issue.minimum}.`];
  }
  if (issue.code === "too_big" && issue.origin === "number" && issue.inclusive === true) {
    return [`The largest is ${issue.maximum}.`];
  }
  return [];
}

/** Flags and variables are text; a setting that takes no text takes the number that the text spells. */
function fromText(text: string, schema: (typeof trainFields)[TrainConfigKey]): unknown {
  const takesText = schema.safeParse(text).success;
  const number = Number(text);
  return takesText || text.trim() === "" || Number.isNaN(number) ? text : number;
}

function show(value: unknown): string {
  return typeof value === "string"
    ? JSON.stringify(withoutCredentials(value))
    : inspect(value, { depth: 1, breakLength: Infinity });
}
