// The synthetic twins by name: what `--data synthetic:NAME` makes.

import { SltrainError } from "../../errors.ts";
import { nearestName } from "../../nearest-name.ts";
import type { RowReader } from "../rows.ts";
import { bagOfWordsTwin } from "./bag-of-words.ts";
import { imageTwin } from "./images.ts";
import { mixtureTwin } from "./mixture.ts";
import { oneHotTwin } from "./one-hot.ts";
import { higgsTwin } from "./teacher.ts";
import { TwinReader, type Twin, type TwinRows } from "./twin.ts";

export interface TwinRecipe {
  /** Rows to train on unless the user says how many: the original's, or as many as take about a second to make. */
  readonly trainRows: number;
  /** Rows to validate on, unless the user says how many to train on: then a tenth of those, but not more than this. */
  readonly validationRows: number;
  readonly make: () => Twin;
}

const digits = Array.from({ length: 10 }, (_, digit) => String(digit));

export const TWINS: Readonly<Record<string, TwinRecipe>> = {
  mnist: {
    trainRows: 9_000,
    validationRows: 1_000,
    make: () =>
      imageTwin({
        name: "mnist",
        size: 28,
        channels: 1,
        classNames: digits,
        mean: 20,
        texture: 30,
        noise: 60,
        background: 100,
        shift: 3,
        mirrored: false,
      }),
  },
  "fashion-mnist": {
    trainRows: 60_000,
    validationRows: 10_000,
    make: () =>
      imageTwin({
        name: "fashion-mnist",
        size: 28,
        channels: 1,
        classNames: [
          "T-shirt/top",
          "Trouser",
          "Pullover",
          "Dress",
          "Coat",
          "Sandal",
          "Shirt",
          "Sneaker",
          "Bag",
          "Ankle boot",
        ],
        mean: 14.5,
        texture: 20,
        noise: 70,
        background: 100,
        shift: 3,
        mirrored: false,
      }),
  },
  cifar10: {
    trainRows: 50_000,
    validationRows: 10_000,
    make: () =>
      imageTwin({
        name: "cifar10",
        size: 32,
        channels: 3,
        classNames: [
          "airplane",
          "automobile",
          "bird",
          "cat",
          "deer",
          "dog",
          "frog",
          "horse",
          "ship",
          "truck",
        ],
        mean: 7.5,
        texture: 14,
        noise: 60,
        background: 120,
        shift: 6,
        mirrored: true,
      }),
  },
  higgs: { trainRows: 1_000_000, validationRows: 100_000, make: higgsTwin },
  a9a: {
    trainRows: 32_561,
    validationRows: 16_281,
    make: () =>
      oneHotTwin({
        name: "a9a",
        // Adult's 14 attributes, quantities in quintiles: 123 columns.
        groups: [5, 8, 5, 16, 5, 7, 14, 6, 5, 2, 2, 2, 5, 41],
        positiveShare: 0.2408,
        separation: 0.8,
        labels: [-1, 1],
      }),
  },
  "criteo-kaggle": {
    trainRows: 1_000_000,
    validationRows: 100_000,
    make: () =>
      oneHotTwin({
        name: "criteo-kaggle",
        // 13 counts in buckets, and the 26 categorical columns with as many categories as the original's have.
        groups: [
          ...new Array<number>(13).fill(40),
          ...[1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992],
          ...[5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572],
        ],
        hashedColumns: 2 ** 19,
        positiveShare: 0.2562,
        separation: 0.35,
        labels: [0, 1],
      }),
  },
  rcv1: {
    trainRows: 20_242,
    validationRows: 10_000,
    make: () =>
      bagOfWordsTwin({
        name: "rcv1",
        words: 47_236,
        drawnWords: 80,
        drawnSpread: 0.55,
        maxDrawnWords: 500,
        values: "normalised",
        positiveShare: 0.5183,
        separation: 1.0,
      }),
  },
  w8a: {
    trainRows: 49_749,
    validationRows: 14_951,
    make: () =>
      bagOfWordsTwin({
        name: "w8a",
        words: 300,
        drawnWords: 12,
        drawnSpread: 0.5,
        maxDrawnWords: 100,
        values: "binary",
        positiveShare: 0.0297,
        separation: 1.8,
      }),
  },
  covtype: {
    trainRows: 522_911,
    validationRows: 58_101,
    make: () =>
      mixtureTwin({
        name: "covtype",
        classShares: [0.3646, 0.4876, 0.0615, 0.0047, 0.0163, 0.0299, 0.0353],
        labels: [1, 2, 3, 4, 5, 6, 7],
        numeric: [
          { mean: 2959, deviation: 280 },
          { mean: 156, deviation: 112 },
          { mean: 14, deviation: 7.5 },
          { mean: 269, deviation: 213 },
          { mean: 46, deviation: 58 },
          { mean: 2350, deviation: 1559 },
          { mean: 212, deviation: 27 },
          { mean: 223, deviation: 20 },
          { mean: 143, deviation: 38 },
          { mean: 1980, deviation: 1324 },
        ],
        finish: "round",
        groups: [4, 40],
        separation: 0.3,
      }),
  },
  yfcc100m: {
    trainRows: 10_000,
    validationRows: 1_000,
    make: () =>
      mixtureTwin({
        name: "yfcc100m",
        classShares: [0.5, 0.5],
        labels: [-1, 1],
        numeric: Array.from({ length: 4096 }, () => ({ mean: -0.3, deviation: 1 })),
        finish: "relu",
        groups: [],
        separation: 0.045,
      }),
  },
};

/** @throws SltrainError "data-unknown" if there is no such twin. */
export function openTwin(name: string, wanted: Omit<TwinRows, "name">): RowReader {
  return new TwinReader(twinRecipe(name).make(), { ...wanted, name });
}

/** Its twin is a text (play.ts), which is read as any other. */
export const TEXT_TWIN = "tinyshakespeare";

/** All data sets that have a twin. */
export function twinNames(): readonly string[] {
  return [...Object.keys(TWINS), TEXT_TWIN];
}

/** @throws SltrainError "data-unknown" if there is no such twin. */
export function twinRecipe(name: string): TwinRecipe {
  const recipe = Object.hasOwn(TWINS, name) ? TWINS[name] : undefined;
  if (recipe) return recipe;
  const names = twinNames();
  const near = nearestName(name, names);
  throw new SltrainError({
    code: "data-unknown",
    message: `synthetic:${name}: expected a data set that has a twin (${names.join(", ")}), got "${name}"`,
    suggestions: [near === undefined ? "Give one of these names." : `Did you mean --data synthetic:${near}?`],
  });
}
