// How a path is read, as flags of commands that read paths. `train` has the same ones among its settings.

import { Flags } from "@oclif/core";
import { readKeys, readOptionsOf } from "../config/read-options.ts";
import { checkedFlag } from "../config/resolve.ts";
import { flagName, trainFields } from "../config/schema.ts";
import { FOLDER_FORMATS, FORMATS } from "../data/formats/index.ts";
import type { PathOptions } from "../data/applicable-options.ts";

type ReadKey = (typeof readKeys)[number];

const FORMAT_NAMES = [...FORMATS, ...FOLDER_FORMATS].map(({ name }) => name);

/** Where there is nothing but data to speak of, `format` is clear. */
const nameOf = (key: ReadKey) => (key === "dataFormat" ? "format" : flagName(key).slice("--".length));

export const readOptionFlags = Object.fromEntries(
  readKeys.map((key) => {
    const summary = trainFields[key].description!;
    const names = key === "dataFormat" ? ` One of ${FORMAT_NAMES.join(", ")}.` : "";
    return [nameOf(key), Flags.string({ summary: summary + names })];
  }),
);

/** @throws SltrainError "config-bad-value" naming the flag */
export function readOptionsOfFlags(flags: Readonly<Record<string, unknown>>): PathOptions {
  const given = readKeys.filter((key) => flags[nameOf(key)] !== undefined);
  return readOptionsOf(
    Object.fromEntries(given.map((key) => [key, checkedFlag(key, flags[nameOf(key)], `--${nameOf(key)}`)])),
  );
}
