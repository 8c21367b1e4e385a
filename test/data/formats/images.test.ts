import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { decodeImage } from "../../../src/data/formats/decode-image.ts";
import { resize } from "../../../src/data/formats/resize.ts";
import { temporaryFolder, writeData } from "../files.ts";
import { FIXTURES, readPath, readSplits } from "./read-rows.ts";

const IMAGES = join(FIXTURES, "images");

/** As make.py's gradient(): (6, 8, 3). */
const gradient = (shift: number) =>
  Array.from({ length: 6 * 8 * 3 }, (_, i) => {
    const [y, x, c] = [Math.floor(i / 24), Math.floor(i / 3) % 8, i % 3];
    return (x * 7 + y * 5 + c * 60 + shift) % 256;
  });

/** The array in a .npy file of numpy's, whose header is 128 bytes. */
const array = (name: string) => new Uint8Array(readFileSync(join(IMAGES, name)).subarray(128));

test("folders of classes below train/ and val/ are the source's own split", async () => {
  const { train, validation } = await readSplits(join(IMAGES, "rgb"));
  assert.deepEqual(train.facts.featureShape, [6, 8, 3]);
  assert.equal(train.facts.featureType, "u8");
  assert.deepEqual(train.facts.labels, { kind: "classes", values: [0, 1], names: ["cat", "dog"] });
  assert.deepEqual(train.labels, [0, 0, 0, 1, 1, 1]);
  assert.deepEqual(train.rows, [0, 1, 2, 40, 41, 42].map(gradient));
  assert.deepEqual(validation.labels, [0, 1]);
});

test("every kind of PNG decodes to Pillow's bytes, and JPEG to within two levels", async () => {
  const { facts, rows } = await readPath(join(IMAGES, "kinds"));
  assert.deepEqual(facts.featureShape, [6, 8, 3]);
  const names = [
    "bits.png",
    "grey-alpha.png",
    "grey.jpg",
    "grey.png",
    "grey16.png",
    "palette.png",
    "progressive.jpg",
    "rgb.jpg",
    "rgb.png",
    "rgba.png",
  ];
  const pillow = array("kinds.npy");
  assert.equal(pillow.length, names.length * 144);
  names.forEach((name, i) => {
    const expected = pillow.subarray(i * 144, (i + 1) * 144);
    const differences = rows[i]!.map((level, j) => Math.abs(level - expected[j]!));
    assert.ok(
      Math.max(...differences) <= (name.endsWith(".jpg") ? 2 : 0),
      `${name}: ${Math.max(...differences)}`,
    );
  });
});

test("images that are all grey have one channel", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["a", "b"]) {
    mkdirSync(join(folder, name));
    for (const file of ["grey.png", "grey.jpg", "grey16.png", "bits.png"]) {
      cpSync(join(IMAGES, "kinds/all", file), join(folder, name, file));
    }
  }
  const { facts } = await readPath(folder);
  assert.deepEqual(facts.featureShape, [6, 8, 1]);
});

test("resizing is Pillow's BILINEAR, smaller and larger", async () => {
  const photo = await decodeImage(readFileSync(join(IMAGES, "photo.png")), "photo.png");
  for (const [height, width] of [
    [7, 9],
    [33, 41],
  ] as const) {
    const expected = array(`photo-${height}x${width}.npy`);
    const { pixels } = resize(photo, height, width);
    assert.equal(pixels.length, expected.length);
    const worst = pixels.reduce((most, level, i) => Math.max(most, Math.abs(level - expected[i]!)), 0);
    assert.ok(worst <= 1, `${height} x ${width}: ${worst} levels`);
  }
});

test("images of several sizes need --image-size", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["a", "b"]) mkdirSync(join(folder, name));
  cpSync(join(IMAGES, "photo.png"), join(folder, "b/photo.png"));
  cpSync(join(IMAGES, "kinds/all/rgb.png"), join(folder, "a/rgb.png"));
  await assert.rejects(readPath(folder), {
    code: "data-shape",
    message:
      /b\/photo\.png: expected 6 x 8 pixels \(height x width\), as .*a\/rgb\.png has them, got 20 x 30/,
    suggestions: ["Have all images resized: --image-size 6x8"],
  });
  const { facts, labels } = await readPath(folder, { imageSize: [10, 12] });
  assert.deepEqual(facts.featureShape, [10, 12, 3]);
  assert.deepEqual(labels, [0, 1]);
});

test("what does not decode names its file, or is left out and counted", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["a", "b"]) {
    mkdirSync(join(folder, name));
    cpSync(join(IMAGES, "kinds/all/rgb.png"), join(folder, name, "1.png"));
  }
  const png = readFileSync(join(IMAGES, "kinds/all/rgb.png"));
  const jpeg = readFileSync(join(IMAGES, "kinds/all/rgb.jpg"));
  const flipped = Buffer.from(png);
  flipped[50]! ^= 0xff;
  for (const [name, content, message] of [
    ["cut.png", png.subarray(0, 60), /b\/cut\.png: expected a PNG image that decodes, got .*[^:\s]$/],
    ["flipped.png", flipped, /b\/flipped\.png: expected a PNG image that decodes, got .*[^:\s]$/],
    ["cut.jpg", jpeg.subarray(0, 300), /b\/cut\.jpg: expected a JPEG image that decodes, got .*[^:\s]$/],
    [
      "notes.txt",
      "no image",
      /b\/notes\.txt: expected a PNG or JPEG image, got bytes that begin with 6e6f2069/,
    ],
    ["empty.png", "", /b\/empty\.png: expected a PNG or JPEG image, got an empty file/],
  ] as const) {
    const other = temporaryFolder(t);
    cpSync(folder, other, { recursive: true });
    writeData(other, `b/${name}`, content);
    await assert.rejects(readPath(other), { code: "data-image", message });
    const { facts, labels } = await readPath(other, { onBadRecord: "skip" });
    assert.deepEqual(labels, [0, 1]);
    assert.equal(facts.skippedRecords, 1);
  }
});

test("folders that are no classes of images say what is wrong with them", async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "only/deeper"), { recursive: true });
  await assert.rejects(readPath(folder), {
    code: "data-missing",
    message: /only: expected images alone in the folder of a class, got a folder deeper/,
  });
  const one = temporaryFolder(t);
  mkdirSync(join(one, "cats"));
  cpSync(join(IMAGES, "photo.png"), join(one, "cats/1.png"));
  await assert.rejects(readPath(one), {
    code: "data-missing",
    message: /expected at least two folders of images, one per class, got cats/,
  });
  const extra = temporaryFolder(t);
  cpSync(join(IMAGES, "rgb"), extra, { recursive: true });
  cpSync(join(IMAGES, "rgb/val/cat"), join(extra, "val/horse"), { recursive: true });
  await assert.rejects(readSplits(extra), {
    code: "data-label",
    message: /val\/horse: expected one of the 2 classes to train on \(cat, dog\), got "horse"/,
  });
});
