// The files of a known data set: in the folder that the user gives, or in the cache, which is filled by downloads.

import { createReadStream, existsSync } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { SltrainError } from "../../errors.ts";
import { formatBytes } from "../../units.ts";
import { download } from "../download.ts";
import type { OnProgress } from "../progress.ts";
import type { Source } from "../source.ts";
import { applicableOptions, type ReadRequest } from "../applicable-options.ts";
import { pathSource } from "../sources/path.ts";
import { twinNames } from "../twins/index.ts";
import { fileIn, type Recipe, type RecipeFile } from "./recipes.ts";

/**
 * @param given a folder with the files as they are fetched or unpacked; a file is read as any other path
 * @param cache where data sets lie, a folder for each
 * @throws SltrainError "data-options", "download-failed" or "data-missing" with what to fetch by hand, and whereto
 */
export async function knownSource(
  name: string,
  recipe: Recipe,
  given: string | undefined,
  { read = {}, isAsked, onProgress }: ReadRequest = {},
  cache = cacheFolder(),
): Promise<Source> {
  const isOther = given !== undefined && (recipe.files.length === 0 || (await isFile(given)));
  if (isOther) return { ...(await pathSource(given, read, isAsked)), name };
  const folder = given ?? join(cache, name);
  if (recipe.files.length === 0) throw byHandOnly(name, recipe);
  const options = applicableOptions(read, recipe.takes, name, isAsked);
  for (const file of recipe.files)
    await ensureFile(name, file, folder, { mayFetch: given === undefined, onProgress });
  const files = recipe.files.flatMap((file) => file.unpacked ?? [file.name]);
  return {
    name,
    source: recipe.origin,
    inputs: [
      `${name} ${JSON.stringify(options)}`,
      ...files.map((file) => ({ path: fileIn(folder, file), as: file })),
    ],
    open: (onBytes) => recipe.open(folder, { onBadRecord: "fail", ...options, onBytes }),
  };
}

function cacheFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "sltrain");
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

async function ensureFile(
  name: string,
  file: RecipeFile,
  folder: string,
  { mayFetch, onProgress }: { readonly mayFetch: boolean; readonly onProgress: OnProgress | undefined },
): Promise<void> {
  const wanted = (file.unpacked ?? [file.name]).map((part) => fileIn(folder, part));
  if (wanted.every((path) => existsSync(path))) return;
  const path = join(folder, file.name);
  const remedies = remediesFor(name, file, folder);
  if (!existsSync(path)) {
    if (!mayFetch) {
      throw new SltrainError({
        code: "data-missing",
        message: `${folder}: expected ${file.name}${file.unpacked ? ` or, out of it, ${file.unpacked.join(", ")}` : ""}, got no such file`,
        suggestions: remedies,
      });
    }
    await download({ urls: file.urls, fileSha256: file.sha256, path, remedies, onProgress });
  }
  if (file.unpacked) await unpack(path, file.unpacked, folder);
}

function remediesFor(name: string, { urls, name: file, sizeBytes }: RecipeFile, folder: string): string[] {
  return [
    `Fetch ${urls[0]!} (${formatBytes(sizeBytes)}) by other means and put it at ${join(folder, file)}.`,
    `Have the files in another folder? --data ${name}:/path/to/folder`,
    ...twinRemedy(name),
  ];
}

function twinRemedy(name: string): string[] {
  return twinNames().includes(name)
    ? [`Train on made rows of the same shape, without a network: --data synthetic:${name}`]
    : [];
}

function byHandOnly(name: string, { byHand = "" }: Recipe): SltrainError {
  return new SltrainError({
    code: "data-missing",
    message: `${name}: expected the path of its rows, as nobody offers it without being asked, got none`,
    suggestions: [`To have it, ${byHand}.`, `Then: --data ${name}:/path/to/X.npy`, ...twinRemedy(name)],
  });
}

/** Takes files out of a tar archive (.gz), wherever they lie in it; all of them come into place at once, or none does. */
async function unpack(archive: string, names: readonly string[], folder: string): Promise<void> {
  const { unpackTar } = await import("modern-tar/fs");
  const aside = join(folder, `.unpacking-${process.pid}`);
  try {
    await mkdir(aside, { recursive: true });
    const isWanted = (path: string) => names.includes(path.split("/").at(-1)!);
    await pipeline(
      createReadStream(archive),
      createGunzip(),
      unpackTar(aside, {
        filter: ({ name, type }) => type === "file" && isWanted(name),
        map: (header) => ({ ...header, name: header.name.split("/").at(-1)! }),
      }),
    );
    const lacking = names.filter((file) => !existsSync(join(aside, file)));
    if (lacking.length > 0) throw new Error(`no ${lacking.join(", ")} in it`);
    for (const file of names) await rename(join(aside, file), join(folder, file));
  } catch (cause) {
    throw new SltrainError({
      code: "data-damaged",
      message: `${archive}: expected a tar archive (.gz) with ${names.join(", ")}, got: ${(cause as Error).message}`,
      cause,
      suggestions: [`Remove ${archive} and run again: it is then fetched anew.`],
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
