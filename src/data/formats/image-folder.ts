// A folder of images: a folder per class, its name the class's name (as torchvision's ImageFolder and Keras's
// image_dataset_from_directory have it). Folders train/ and val/, valid/, validation/ or test/ above are the own split.

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { SltrainError } from "../../errors.ts";
import { fileError } from "../content-file.ts";
import type { FolderFormat, OpenFormat } from "../format.ts";
import type { RowBlock, RowReader } from "../rows.ts";
import type { ImportThreads } from "../threads/import-threads.ts";
import { inOrder } from "../threads/in-order.ts";
import { fitImage } from "./fit-image.ts";
import { ImageBlocks } from "./image-blocks.ts";
import { imageChannels } from "./decode-image.ts";
import type { Image } from "./resize.ts";

const TRAIN = /^train(ing)?\/$/i;
/** In the order in which they are taken. */
const VALIDATION = [/^val(id|idation)?\/$/i, /^test(ing)?\/$/i];
/** One that is decoded, and one that waits for it. */
const IMAGES_A_THREAD = 2;
/** Of what lies in a class's folder, this is not an image and no mistake either. */
const IGNORED = /^(\.|thumbs\.db$|desktop\.ini$)/i;

export const imageFolderFormat: FolderFormat = {
  name: "image-folder",
  description: "a folder of PNG or JPEG images, a folder per class, also below train/ and val/ (or test/)",
  matches: (entries) => entries.some((name) => name.endsWith("/") && !name.startsWith(".")),
  takes: ["onBadRecord", "imageSize"],
  open: async (folder, options) => {
    const entries = await foldersIn(folder);
    const train = entries.find((name) => TRAIN.test(name));
    const validation = VALIDATION.map((pattern) => entries.find((name) => pattern.test(name))).find(Boolean);
    if (train === undefined || validation === undefined) {
      const all = await listImages(folder);
      return openImages(all, await channelsOf(all.files), options);
    }
    const trainImages = await listImages(join(folder, train));
    const validationImages = await listImages(join(folder, validation), trainImages.classNames);
    const channels = await channelsOf([...trainImages.files, ...validationImages.files]);
    return {
      train: openImages(trainImages, channels, options),
      validation: openImages(validationImages, channels, options),
    };
  },
};

interface ImageFile {
  readonly path: string;
  readonly label: number;
}

interface Images {
  readonly classNames: readonly string[];
  /** Class by class, by name. */
  readonly files: readonly ImageFile[];
}

/**
 * @param known the classes of the training images: others are refused, and some may have no images
 * @throws SltrainError "data-missing" or "data-label" naming the folder
 */
async function listImages(folder: string, known?: readonly string[]): Promise<Images> {
  const found = (await foldersIn(folder)).map((name) => name.slice(0, -1));
  const unknown = known && found.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new SltrainError({
      code: "data-label",
      message: `${join(folder, unknown)}: expected one of the ${known!.length} classes to train on (${some(known!)}), got "${unknown}"`,
      suggestions: ["Give the training images examples of all classes, or remove this folder."],
    });
  }
  const classNames = known ?? found;
  const files: ImageFile[] = [];
  for (const [label, name] of classNames.entries()) {
    if (!found.includes(name)) continue;
    const paths = await imagesIn(join(folder, name));
    if (paths.length === 0 && !known) {
      throw missing(join(folder, name), "images of this class", "none");
    }
    files.push(...paths.map((path) => ({ path, label })));
  }
  if (classNames.length < 2) {
    throw missing(folder, "at least two folders of images, one per class", some(found) || "none");
  }
  return { classNames, files };
}

async function foldersIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => `${name}/`)
    .sort();
}

async function imagesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = entries.find((entry) => entry.isDirectory() && !IGNORED.test(entry.name));
  if (nested) throw missing(folder, "images alone in the folder of a class", `a folder ${nested.name}`);
  return entries
    .filter(({ name }) => !IGNORED.test(name))
    .map(({ name }) => join(folder, name))
    .sort();
}

/** Three if any image has colours. What is no image is told when it is read. */
async function channelsOf(files: readonly ImageFile[]): Promise<1 | 3> {
  for (const { path } of files) {
    if (imageChannels(await imageBytes(path)) === 3) return 3;
  }
  return 1;
}

async function imageBytes(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: unknown) => {
    throw fileError(path, cause);
  });
}

function openImages({ classNames, files }: Images, channels: 1 | 3, options: OpenFormat): RowReader {
  const blocks = new ImageBlocks(options, channels);
  let skippedRecords = 0;

  async function* read(threads?: ImportThreads): AsyncGenerator<RowBlock> {
    const decode = async ({ path }: ImageFile): Promise<Image> => {
      const bytes = await imageBytes(path);
      options.onBytes?.(bytes.length);
      const task = { bytes, where: path, channels, size: options.imageSize };
      return threads ? threads.fitImage(task) : fitImage(task);
    };
    const ahead = threads ? IMAGES_A_THREAD * threads.count : 1;
    for (const [{ path, label }, image] of inOrder(files, ahead, decode)) {
      try {
        const block = blocks.addDecoded(await image, label, path);
        if (block) yield block;
      } catch (error) {
        const isBad = error instanceof SltrainError && error.code === "data-image";
        if (!isBad || options.onBadRecord === "fail") throw error;
        skippedRecords++;
      }
    }
    const last = blocks.finish();
    if (last) yield last;
  }

  return {
    read,
    facts: () => ({
      featureShape: blocks.featureShape,
      featureType: "u8",
      labels: { kind: "classes", values: classNames.map((_, label) => label), names: classNames },
      skippedRecords,
    }),
  };
}

function some(names: readonly string[]): string {
  return names.slice(0, 8).join(", ") + (names.length > 8 ? ", …" : "");
}

function missing(folder: string, expected: string, got: string): SltrainError {
  return new SltrainError({
    code: "data-missing",
    message: `${folder}: expected ${expected}, got ${got}`,
    suggestions: ["Put the images of each class into a folder of their own: cats/1.png, dogs/1.png."],
  });
}
