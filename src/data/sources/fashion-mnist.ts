// Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): Debian's copy, a folder, or a download into the user's cache.

import { homedir } from "node:os";
import { join } from "node:path";
import { existsSync } from "node:fs";
import { download } from "../download.ts";
import { idxFolderFiles, openIdxFolder } from "../formats/idx-folder.ts";
import type { OnProgress } from "../progress.ts";
import type { Source } from "../source.ts";

const CLASSES = 10;
const DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist";
const MIRRORS = [
  "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
  "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
];

/** sha256 of the IDX content: Debian packs the same content into other gzip files than the project does. */
const CONTENT_SHA256 = {
  "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
  "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
  "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
  "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
};

const REMEDIES = [
  "On Debian: apt-get install dataset-fashion-mnist",
  "Give a folder with the four IDX files: --data fashion-mnist:/path/to/folder",
  `Connect this machine to the network: the files come from ${MIRRORS[0]!}`,
];

/**
 * The folder given, else Debian's, else the cache, which is filled by a download if need be.
 * @throws SltrainError "download-failed" with the remedies; "data-missing" if a given folder lacks a file.
 */
export async function fashionMnistSource(
  folder: string | undefined,
  onProgress?: OnProgress,
  places: readonly string[] = [DEBIAN_FOLDER, cacheFolder()],
): Promise<Source> {
  const found = folder ?? places.find(isComplete) ?? (await fill(places.at(-1)!, onProgress));
  return {
    name: "fashion-mnist",
    source: found,
    inputs: (await idxFolderFiles(found)).map((path) => ({ path, as: "" })),
    open: (onBytes) => openIdxFolder(found, CLASSES, onBytes),
  };
}

function cacheFolder(): string {
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(cache, "sltrain", "fashion-mnist");
}

function isComplete(folder: string): boolean {
  return Object.keys(CONTENT_SHA256).every((name) => existsSync(join(folder, name)));
}

async function fill(folder: string, onProgress: OnProgress | undefined): Promise<string> {
  for (const [name, contentSha256] of Object.entries(CONTENT_SHA256)) {
    const urls = MIRRORS.map((mirror) => mirror + name);
    await download({ urls, contentSha256, path: join(folder, name), remedies: REMEDIES, onProgress });
  }
  return folder;
}
