// A few hundred small images that a network can tell apart, as IDX files: enough to train on for seconds.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RandomStream } from "../../src/random.ts";

const SIDE = 28;
const CLASSES = 10;
const IDX_U8 = 0x08;

/** Writes `train-images-idx3-ubyte` and its labels into `folder`; returns the images' path, which `--data` takes. */
export function writeImages(folder: string, count: number): string {
  mkdirSync(folder, { recursive: true });
  const random = new RandomStream(1, "chaos images");
  const labels = Uint8Array.from({ length: count }, () => random.nextInt(CLASSES));
  const pixels = new Uint8Array(count * SIDE * SIDE);
  // Each class has a bright row of its own, in noise.
  for (let at = 0; at < pixels.length; at++) {
    const row = Math.floor(at / SIDE) % SIDE;
    const label = labels[Math.floor(at / SIDE ** 2)]!;
    pixels[at] = random.nextInt(64) + (row === 2 * label + 4 ? 160 : 0);
  }
  writeFileSync(join(folder, "train-labels-idx1-ubyte"), idx([count], labels));
  const path = join(folder, "train-images-idx3-ubyte");
  writeFileSync(path, idx([count, SIDE, SIDE], pixels));
  return path;
}

function idx(dims: readonly number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([IDX_U8, dims.length], 2);
  dims.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([header, values]);
}
