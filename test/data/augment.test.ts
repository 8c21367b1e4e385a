import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchReader } from "../../src/algorithms/batch-reader.ts";
import { Augmenter, parseAugment } from "../../src/data/augment.ts";
import { epochOrder } from "../../src/data/order.ts";

const [HEIGHT, WIDTH, CHANNELS] = [5, 6, 2];
const SHAPE = [HEIGHT, WIDTH, CHANNELS];
const ELEMENTS = HEIGHT * WIDTH * CHANNELS;
const BLACK = -3;
const TRANSFORM = { scale: [1], offset: [BLACK] };

const augmenter = (spec: string, seed = 1): Augmenter =>
  new Augmenter({ augmentation: parseAugment(spec), featureShape: SHAPE, transform: TRANSFORM, seed });

/** All different, and none black. */
const image = (): Float32Array => Float32Array.from({ length: ELEMENTS }, (_, i) => i);

function augmented(spec: string, row: number, epoch: number): number[] {
  const pixels = image();
  augmenter(spec).apply(pixels, row, epoch);
  return [...pixels];
}

/** By its definition: pad with black, cut out, mirror. */
function oracle(dy: number, dx: number, mirrored: boolean): number[] {
  const pixelAt = (y: number, x: number, c: number): number =>
    y < 0 || y >= HEIGHT || x < 0 || x >= WIDTH ? BLACK : (y * WIDTH + x) * CHANNELS + c;
  const pixels: number[] = [];
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++)
      for (let c = 0; c < CHANNELS; c++) pixels.push(pixelAt(y + dy, (mirrored ? WIDTH - 1 - x : x) + dx, c));
  return pixels;
}

/** Which of all moves made these pixels; undefined if none did. */
function moveOf(pixels: readonly number[], cropPixels: number): string | undefined {
  for (let dy = -cropPixels; dy <= cropPixels; dy++)
    for (let dx = -cropPixels; dx <= cropPixels; dx++)
      for (const mirrored of [false, true])
        if (oracle(dy, dx, mirrored).every((pixel, i) => pixel === pixels[i]))
          return `${dy} ${dx} ${mirrored}`;
  return undefined;
}

test("an image is moved and mirrored, what is missing is black, and all moves come", () => {
  const moves = new Set<string>();
  for (let row = 0; row < 500; row++) {
    const move = moveOf(augmented("flip,crop:2", row, 3), 2);
    assert.ok(move !== undefined, `row ${row} is no move of the image`);
    moves.add(move);
  }
  assert.equal(moves.size, 5 * 5 * 2);
});

test("a crop that is larger than the image leaves black, not other rows", () => {
  for (let row = 0; row < 50; row++)
    assert.ok(
      augmented("crop:9", row, 0).every((pixel) => pixel === BLACK || (pixel >= 0 && pixel < ELEMENTS)),
    );
});

test("half of the images are mirrored, others in the next epoch", () => {
  const mirrored = (epoch: number) =>
    Array.from({ length: 1000 }, (_, row) => augmented("flip", row, epoch)[0] !== 0);
  const [first, second] = [mirrored(0), mirrored(1)];
  const share = first.filter(Boolean).length / 1000;
  assert.ok(share > 0.45 && share < 0.55, String(share));
  const changed = first.filter((flag, row) => flag !== second[row]).length / 1000;
  assert.ok(changed > 0.4 && changed < 0.6, String(changed));
});

test("a row looks the same whoever reads it, in whatever batch, and whoever holds only a part of the rows", () => {
  const count = 24;
  const features = Uint8Array.from({ length: count * ELEMENTS }, (_, i) => (i * 7) % 251);
  const labels = Int32Array.from({ length: count }, (_, row) => row);
  const augment = { augmentation: parseAugment("flip,crop:1"), seed: 5 };
  const rowsOf = (from: number, to: number) => ({
    ...{ featureShape: SHAPE, transform: { scale: [0.5], offset: [1] } },
    ...{ features: features.subarray(from * ELEMENTS, to * ELEMENTS), labels: labels.subarray(from, to) },
  });
  const seen = new Map<number, number[]>();
  const look = (reader: BatchReader, order: Uint32Array, size: number): void => {
    for (let begin = 0; begin < order.length; begin += size) {
      const end = Math.min(begin + size, order.length);
      const { x, labels: rows } = reader.read(order, begin, end, false, 2);
      rows.forEach((row, i) => {
        const pixels = [...(x as Float32Array).subarray(i * ELEMENTS, (i + 1) * ELEMENTS)];
        assert.deepEqual(pixels, seen.get(row) ?? pixels, `row ${row}`);
        seen.set(row, pixels);
      });
    }
  };
  look(new BatchReader(rowsOf(0, count), { augment }), epochOrder(count, 1, 2), 7);
  look(new BatchReader(rowsOf(0, count), { augment }), epochOrder(count, 9, 2), 5);
  look(new BatchReader(rowsOf(10, count), { augment, firstRow: 10 }), epochOrder(count - 10, 1, 2), 3);
  assert.equal(seen.size, count);
  const plain = new BatchReader(rowsOf(0, count)).read(epochOrder(count, 1, 2), 0, count, false);
  const changed = [...plain.labels].filter((row, i) =>
    seen.get(row)!.some((pixel, j) => pixel !== (plain.x as Float32Array)[i * ELEMENTS + j]),
  );
  assert.ok(changed.length > count / 2);
});

test("what is no augmentation is refused", () => {
  for (const spec of ["", "flop", "flip,flip", "crop", "crop:0", "crop:2,crop:3", "crop:100"])
    assert.throws(() => parseAugment(spec), { code: "augment-invalid" }, spec);
});
