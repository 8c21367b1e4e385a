import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { knownSource } from "../../../src/data/known/fetch.ts";
import { RECIPES, type Recipe } from "../../../src/data/known/recipes.ts";
import { KNOWN_DATASETS } from "../../../src/data/known.ts";
import { twinNames } from "../../../src/data/twins/index.ts";
import { temporaryFolder, writeData } from "../files.ts";
import { loadSource } from "../load.ts";

async function serve(t: TestContext, body: Uint8Array) {
  let asked = 0;
  const server = createServer((_, response) => {
    asked++;
    response.end(body);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/archive.tar.gz`;
  return { url, asked: () => asked };
}

/** Two records of CIFAR-10 with these labels. */
const batch = (...labels: number[]) =>
  Buffer.concat(labels.map((label) => Buffer.concat([Buffer.of(label), Buffer.alloc(3072, 20 * label)])));

/** CIFAR-10's archive as its authors pack it, with two records a file. */
async function archive(): Promise<Buffer> {
  const names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
  const files: Record<string, Uint8Array> = {
    "batches.meta.txt": Buffer.from(`${names.join("\n")}\n`),
    "readme.html": Buffer.from("<html>"),
    "test_batch.bin": batch(8, 9),
  };
  for (let i = 1; i <= 5; i++) files[`data_batch_${i}.bin`] = batch(i, i + 1);
  const entries = Object.entries(files).map(([name, body]) => ({
    header: { name: `cifar-10-batches-bin/${name}`, size: body.length },
    body,
  }));
  const folder = { header: { name: "cifar-10-batches-bin/", type: "directory" as const, size: 0 } };
  return gzipSync(await packTar([folder, ...entries]));
}

function cifarFrom(url: string, sha256: string): Recipe {
  const recipe = RECIPES["cifar10"]!;
  return { ...recipe, files: [{ ...recipe.files[0]!, urls: [url], sha256 }] };
}

test("an archive is fetched once, checked, unpacked into the cache and read", async (t) => {
  const bytes = await archive();
  const { url, asked } = await serve(t, bytes);
  const recipe = cifarFrom(url, createHash("sha256").update(bytes).digest("hex"));
  const cache = temporaryFolder(t);
  for (let i = 0; i < 2; i++) {
    const { train, validation } = await loadSource(
      await knownSource("cifar10", recipe, undefined, {}, cache),
    );
    assert.deepEqual([train.name, train.count, validation.count], ["cifar10", 10, 2]);
    assert.equal(train.classNames?.[9], "truck");
    assert.deepEqual([...validation.labels].sort(), [8, 9]);
  }
  assert.equal(asked(), 1);
  assert.deepEqual(readdirSync(join(cache, "cifar10")).sort(), [
    "batches.meta.txt",
    "cifar-10-binary.tar.gz",
    ...[1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    "test_batch.bin",
  ]);
});

test("files that lie in a folder already are read there, unpacked or not", async (t) => {
  const folder = temporaryFolder(t);
  writeData(folder, "cifar-10-binary.tar", await archive());
  const recipe = RECIPES["cifar10"]!;
  const packed = { ...recipe, files: [{ ...recipe.files[0]!, name: "cifar-10-binary.tar" }] };
  const { train } = await loadSource(await knownSource("cifar10", packed, folder));
  assert.equal(train.count, 10);
  const again = await loadSource(await knownSource("cifar10", recipe, folder));
  assert.equal(again.train.contentHash, train.contentHash);
});

test("without a network it says what to fetch, whereto, and what to train on meanwhile", async (t) => {
  const cache = temporaryFolder(t);
  const recipe = cifarFrom("http://127.0.0.1:1/cifar-10-binary.tar.gz", "0".repeat(64));
  await assert.rejects(knownSource("cifar10", recipe, undefined, {}, cache), {
    code: "download-failed",
    message: /expected to download .*cifar10\/cifar-10-binary\.tar\.gz, got http:.*: .*ECONNREFUSED/,
    suggestions: [
      `Fetch http://127.0.0.1:1/cifar-10-binary.tar.gz (162 MiB) by other means and put it at ${join(cache, "cifar10/cifar-10-binary.tar.gz")}.`,
      "Have the files in another folder? --data cifar10:/path/to/folder",
      "Train on made rows of the same shape, without a network: --data synthetic:cifar10",
    ],
  });
  const empty = temporaryFolder(t);
  await assert.rejects(knownSource("higgs", RECIPES["higgs"]!, empty), {
    code: "data-missing",
    message: /expected HIGGS\.csv\.gz, got no such file/,
  });
});

test("an archive that is broken or lacks files is refused, and nothing of it comes into place", async (t) => {
  const recipe = RECIPES["cifar10"]!;
  const whole = await archive();
  for (const [name, bytes, message] of [
    ["cut", whole.subarray(0, whole.length / 2), /cifar-10-binary\.tar\.gz: expected a tar archive/],
    [
      "other",
      gzipSync(await packTar([{ header: { name: "a", size: 1 }, body: "a" }])),
      /no data_batch_1\.bin/,
    ],
  ] as const) {
    const folder = join(temporaryFolder(t), name);
    mkdirSync(folder);
    // writeData would pack what is packed already.
    writeFileSync(join(folder, "cifar-10-binary.tar.gz"), bytes);
    await assert.rejects(knownSource("cifar10", recipe, folder), { code: "data-damaged", message });
    assert.deepEqual(readdirSync(folder), ["cifar-10-binary.tar.gz"]);
  }
});

test("tables of known data sets are read by their own columns", async (t) => {
  const folder = temporaryFolder(t);
  const higgs = Array.from({ length: 20 }, (_, i) => [
    i % 2,
    ...Array.from({ length: 28 }, (__, j) => i + j / 4),
  ]);
  writeData(
    folder,
    "HIGGS.csv.gz",
    higgs.map((row) => row.map((x) => x.toExponential(18)).join(",")).join("\n"),
  );
  const { train, validation } = await loadSource(await knownSource("higgs", RECIPES["higgs"]!, folder));
  assert.deepEqual([train.count + validation.count, train.classes, train.featureShape], [20, 2, [28]]);

  const covtype = Array.from({ length: 14 }, (_, i) => [
    ...Array.from({ length: 54 }, (__, j) => i * j),
    (i % 7) + 1,
  ]);
  writeData(folder, "covtype.data.gz", covtype.map((row) => row.join(",")).join("\n"));
  const trees = await loadSource(await knownSource("covtype", RECIPES["covtype"]!, folder));
  assert.deepEqual([trees.train.featureShape, trees.train.classes], [[54], 7]);

  writeData(folder, "a9a", "-1 3:1 11:1\n+1 5:1 123:1\n-1 1:1\n");
  writeData(folder, "a9a.t", "+1 2:1 122:1\n-1 4:1\n");
  const adults = await loadSource(await knownSource("a9a", RECIPES["a9a"]!, folder));
  assert.deepEqual([adults.train.count, adults.validation.count, adults.train.featureShape], [3, 2, [123]]);
});

test("yfcc100m is had by hand, and read from the path that is given", async () => {
  const recipe = RECIPES["yfcc100m"]!;
  await assert.rejects(knownSource("yfcc100m", recipe, undefined), {
    code: "data-missing",
    suggestions: [
      `To have it, ${recipe.byHand!}.`,
      "Then: --data yfcc100m:/path/to/X.npy",
      "Train on made rows of the same shape, without a network: --data synthetic:yfcc100m",
    ],
  });
  const rows = join(import.meta.dirname, "../fixtures/npy/x_f4.npy");
  const { train } = await loadSource(await knownSource("yfcc100m", recipe, rows));
  assert.deepEqual([train.name, train.featureShape], ["yfcc100m", [3]]);
});

test("every known data set of papers has a twin, and every file a place to be had from", () => {
  for (const [name, { files, byHand }] of Object.entries(RECIPES)) {
    assert.ok(twinNames().includes(name) && Object.hasOwn(KNOWN_DATASETS, name), name);
    assert.ok(files.length > 0 || byHand !== undefined, name);
    for (const { urls, sha256, sizeBytes } of files) {
      assert.ok(urls.every((url) => URL.canParse(url)) && urls.length > 0 && sizeBytes > 0, name);
      assert.match(sha256 ?? "0".repeat(64), /^[0-9a-f]{64}$/);
    }
  }
});
