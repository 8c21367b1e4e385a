// How the data sets that papers train on are had: which files, from where, checked by what, and how they are read.
// A sha256 stands here where a source that checks it publishes it; other files are trusted when they first come (download.ts).

import { existsSync } from "node:fs";
import { join } from "node:path";
import { openContent } from "../content-file.ts";
import type { OpenFormat, ReadOption } from "../format.ts";
import { cifarFolderFormat } from "../formats/cifar.ts";
import { csvFormat } from "../formats/csv.ts";
import { libsvmFormat } from "../formats/libsvm.ts";
import { textFormat } from "../formats/text.ts";
import type { RowReader, SourceRows } from "../rows.ts";

export interface RecipeFile {
  readonly name: string;
  readonly urls: readonly string[];
  /** Of the file as it is fetched. */
  readonly sha256?: string;
  /** Of the file as it is fetched, about. */
  readonly sizeBytes: number;
  /** Files that are taken out of it, a tar archive; without it the file is used as it is. */
  readonly unpacked?: readonly string[];
}

export interface Recipe {
  readonly description: string;
  readonly origin: string;
  readonly licence: string;
  /** Empty where they cannot be fetched without a person: `byHand` says how they are had. */
  readonly files: readonly RecipeFile[];
  readonly byHand?: string;
  /** The options of reading that mean something; the others stand in the recipe. */
  readonly takes: readonly ReadOption[];
  /** Reads what lies in `folder`. */
  readonly open: (folder: string, options: OpenFormat) => Promise<SourceRows>;
}

const LIBSVM_PAGE = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary";

/** Where a file of a recipe lies: unpacked by the user (bunzip2 is much faster than JavaScript), or as it was fetched. */
export function fileIn(folder: string, name: string): string {
  const unpacked = join(folder, name.replace(/\.bz2$/, ""));
  return existsSync(unpacked) ? unpacked : join(folder, name);
}

async function csv(path: string, options: OpenFormat): Promise<RowReader> {
  return (await csvFormat.open(await openContent(path, options.onBytes), options)) as RowReader;
}

async function libsvm(path: string, options: OpenFormat): Promise<RowReader> {
  return (await libsvmFormat.open(await openContent(path, options.onBytes), options)) as RowReader;
}

/** A data set of LIBSVM's page: a file to train on and one to test with. */
function libsvmPair(
  train: readonly [string, number],
  test: readonly [string, number],
): Pick<Recipe, "files" | "takes" | "open"> {
  return {
    takes: ["onBadRecord"],
    files: [train, test].map(([name, sizeBytes]) => ({ name, sizeBytes, urls: [`${LIBSVM_PAGE}/${name}`] })),
    open: async (folder, options) => ({
      train: await libsvm(fileIn(folder, train[0]), options),
      validation: await libsvm(fileIn(folder, test[0]), options),
    }),
  };
}

export const RECIPES: Readonly<Record<string, Recipe>> = {
  cifar10: {
    description: "60,000 photos of 10 classes, 32x32 in colour: 50,000 to train on, 10,000 to validate on",
    origin: "Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html",
    licence: "none stated; to be cited",
    files: [
      {
        name: "cifar-10-binary.tar.gz",
        urls: ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
        // TensorFlow Datasets, url_checksums/cifar10.txt.
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        sizeBytes: 170_052_171,
        unpacked: [
          ...[1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
          "test_batch.bin",
          "batches.meta.txt",
        ],
      },
    ],
    takes: cifarFolderFormat.takes,
    open: async (folder, options) => cifarFolderFormat.open(folder, options),
  },
  higgs: {
    description: "11,000,000 simulated collisions, 28 columns: is there a Higgs boson? 10,000 to validate on",
    origin: "Baldi, Sadowski and Whiteson 2014, archive.ics.uci.edu/dataset/280",
    licence: "CC BY 4.0",
    files: [
      {
        name: "HIGGS.csv.gz",
        urls: [
          "https://archive.ics.uci.edu/ml/machine-learning-databases/00280/HIGGS.csv.gz",
          "http://mlphysics.ics.uci.edu/data/higgs/HIGGS.csv.gz",
        ],
        // TensorFlow Datasets, url_checksums/higgs.txt.
        sha256: "ea302c18164d4e3d916a1e2e83a9a8d07069fa6ebc7771e4c0540d54e593b698",
        sizeBytes: 2_816_407_858,
      },
    ],
    takes: ["onBadRecord"],
    open: (folder, options) => csv(join(folder, "HIGGS.csv.gz"), { ...options, labelColumn: "0" }),
  },
  rcv1: {
    description:
      "20,242 newswire stories to train on and 677,399 to validate on, 47,236 words, 74 in a story",
    origin: "Lewis et al. 2004, binary labels and features of LIBSVM's page (rcv1.binary)",
    licence: "for research; see jmlr.org/papers/volume5/lewis04a",
    ...libsvmPair(["rcv1_train.binary.bz2", 13_700_000], ["rcv1_test.binary.bz2", 453_000_000]),
  },
  a9a: {
    description:
      "32,561 adults of the census of 1994 to train on, 16,281 to validate on, 123 binary features: income",
    origin: "UCI Adult (Becker and Kohavi 1996), preprocessed by Platt; LIBSVM's page",
    licence: "CC BY 4.0",
    ...libsvmPair(["a9a", 2_329_000], ["a9a.t", 1_165_000]),
  },
  w8a: {
    description:
      "49,749 web pages to train on, 14,951 to validate on, 300 binary features: is it of the category?",
    origin: "Platt 1998; LIBSVM's page",
    licence: "none stated; to be cited",
    ...libsvmPair(["w8a", 3_500_000], ["w8a.t", 1_050_000]),
  },
  covtype: {
    description: "581,012 patches of forest, 54 columns, 7 kinds of trees",
    origin: "Blackard and Dean 1998, archive.ics.uci.edu/dataset/31",
    licence: "CC BY 4.0",
    files: [
      {
        name: "covtype.data.gz",
        urls: [
          "https://ndownloader.figshare.com/files/5976039",
          "https://archive.ics.uci.edu/ml/machine-learning-databases/covtype/covtype.data.gz",
        ],
        // scikit-learn, datasets/_covtype.py.
        sha256: "614360d0257557dd1792834a85a1cdebfadc3c4f30b011d56afee7ffb5b15771",
        sizeBytes: 11_240_707,
      },
    ],
    takes: ["onBadRecord"],
    open: async (folder, options) => {
      const rows = await csv(join(folder, "covtype.data.gz"), { ...options, labelColumn: "54" });
      // A table's classes count from 0; these from 1.
      const labels = { kind: "classes", values: [1, 2, 3, 4, 5, 6, 7] } as const;
      return { read: () => rows.read(), facts: () => ({ ...rows.facts(), labels }) };
    },
  },
  "criteo-kaggle": {
    description:
      "45,840,617 advertisements shown, 13 counts and 26 categories hashed into 2^19 features: clicked?",
    origin: "Criteo, Kaggle's display advertising challenge, 2014",
    licence: "CC BY-NC-SA 4.0, for research",
    files: [
      {
        name: "dac.tar.gz",
        urls: [
          "https://go.criteo.net/criteo-research-kaggle-display-advertising-challenge-dataset.tar.gz",
          "https://s3-eu-west-1.amazonaws.com/kaggle-display-advertising-challenge-dataset/dac.tar.gz",
        ],
        sizeBytes: 4_576_820_670,
        unpacked: ["train.txt"],
      },
    ],
    takes: ["onBadRecord", "hashBits"],
    open: (folder, options) =>
      csv(join(folder, "train.txt"), { ...options, labelColumn: "0", hashBits: options.hashBits ?? 19 }),
  },
  tinyshakespeare: {
    description:
      "1,115,394 characters of Shakespeare's plays, 65 different ones; the last tenth to validate on",
    origin: "Karpathy, github.com/karpathy/char-rnn",
    licence: "public domain",
    files: [
      {
        name: "input.txt",
        urls: ["https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"],
        // Pinned so by many projects that fetch it, such as Lux.jl's examples.
        sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        sizeBytes: 1_115_394,
      },
    ],
    takes: textFormat.takes,
    open: async (folder, options) =>
      textFormat.open(await openContent(join(folder, "input.txt"), options.onBytes), options),
  },
  yfcc100m: {
    description:
      "photos of Flickr as the 4,096 activations of a deep network's layer fc6, with two classes of tags",
    origin: "Thomee et al. 2016, features YFCC100M-HNfc6 (Amato et al. 2016, deepfeatures.org)",
    licence: "Creative Commons, by photo",
    files: [],
    byHand:
      "ask deepfeatures.org for YFCC100M-HNfc6, and write the rows that you want as X.npy (rows, 4096) with y.npy beside it",
    takes: [],
    open: async () => Promise.reject(new Error("sltrain bug: yfcc100m has no files of its own")),
  },
};
