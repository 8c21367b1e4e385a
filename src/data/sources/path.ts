// A data set that the user names by path. The content decides what it is.

import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileError, openContent } from "../content-file.ts";
import { applicableOptions, type IsAsked, type PathOptions } from "../applicable-options.ts";
import type { FolderFormat, Format, ReadOptions } from "../format.ts";
import { formatsTaking, recognise, recogniseFolder } from "../formats/index.ts";
import type { InputFile, Source } from "../source.ts";

/** @throws SltrainError "data-missing", "data-magic", "data-options" and what opening the file can throw. */
export async function pathSource(
  path: string,
  { format: name, ...given }: PathOptions = {},
  isAsked?: IsAsked,
): Promise<Source> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  const common = { name: basename(path), source: path };
  if (facts.isDirectory()) {
    const entries = (await readdir(path, { withFileTypes: true }))
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      .sort();
    const format = recogniseFolder(path, entries, name);
    const options = optionsFor(path, format, given, isAsked);
    const inputs = [`${format.name} ${JSON.stringify(options)}`, ...(await filesIn(path))];
    return { ...common, inputs, open: (onBytes) => format.open(path, { ...options, onBytes }) };
  }
  const file = await openContent(path);
  const format = recognise(file, name);
  const options = optionsFor(path, format, given, isAsked);
  const companions = (await format.companions?.(path, options)) ?? [];
  return {
    ...common,
    inputs: [
      `${format.name} ${JSON.stringify(options)}`,
      { path, as: "" },
      ...companions.map((companion) => ({ path: companion, as: "" })),
    ],
    open: async (onBytes) => {
      const passes = format.passes ?? 1;
      const tell = onBytes && ((bytes: number) => onBytes(bytes / passes));
      return format.open(tell ? await openContent(path, tell) : file, { ...options, onBytes: tell });
    },
  };
}

function optionsFor(
  path: string,
  { name, takes }: Format | FolderFormat,
  given: Partial<ReadOptions>,
  isAsked: IsAsked | undefined,
): ReadOptions {
  const applicable = applicableOptions(given, takes, `${path}, which is ${name}`, isAsked, (option) =>
    option === "format" ? [] : [`It is for ${formatsTaking(option).join(", ")}.`],
  );
  return { onBadRecord: "fail", ...applicable };
}

/** All files of a folder and those below, under their paths in it. */
async function filesIn(folder: string): Promise<readonly InputFile[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((path) => ({ path, as: path.slice(folder.length).replaceAll("\\", "/") }));
}
