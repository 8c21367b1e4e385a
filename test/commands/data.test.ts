import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { describeData, type DataDescription } from "../../src/coordinator/describe-data.ts";
import { importData } from "../../src/coordinator/import-data.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { lastEvent, sltrain, temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

const run = (...args: string[]) => sltrain(args, folder.path);
const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder.path, name), content);
const times = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(...args, "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

/** As `data import` does, in this process. */
const bringIn = (storage: Storage, file: string, name?: string) =>
  importData({
    ...{ storage, source: join(folder.path, file), name, read: {}, seed: 1, rows: undefined },
    onProgress: () => undefined,
  });

async function refused(words: RegExp, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(...args);
  assert.notEqual(code, 0, stdout);
  assert.equal(stdout, "");
  assert.match(stderr.replaceAll(/\s+(›|\n)\s*/g, " "), words);
}

// A class by which side of a plane a point is on: what a linear model learns.
const side = (i: number) => (Math.sin(i) + Math.cos(3 * i) > 0 ? "up" : "down");
write(
  "points.csv.gz",
  gzipSync(`x,y,class\n${times(400, (i) => `${Math.sin(i)},${Math.cos(3 * i)},${side(i)}`)}\nodd,1,up\n`),
);
write(
  "words.libsvm",
  times(300, (i) => `${i % 3 === 0 ? 1 : -1} ${1 + (i % 3)}:1 ${10 + (i % 7)}:0.5`),
);

test("data import brings a file in under a name, which show, ls and train then know", async () => {
  const imported = await run("data", "import", "points.csv.gz", "--on-bad-record", "skip");
  assert.equal(imported.code, 0, imported.stderr);
  assert.match(
    imported.stdout,
    /^points: 360 rows to train on, 40 to validate on, 2 f32 features, 2 classes\nleft out: 1 record /,
  );
  assert.match(imported.stdout, /train on it: sltrain train --data points\n$/);

  const shown = await json<DataDescription>("data", "show", "points");
  assert.deepEqual(shown.counts, { train: 360, validation: 40 });
  assert.deepEqual(
    [shown.featureNames, shown.classNames],
    [
      ["x", "y"],
      ["down", "up"],
    ],
  );
  assert.equal(shown.skippedRecords, 1);
  assert.equal(
    shown.classCounts.train.reduce((sum, count) => sum + count, 0),
    360,
  );
  assert.equal(shown.samples.length, 5);
  for (const { label, features } of shown.samples) {
    const [x, y] = features as number[];
    assert.equal(label, x! + y! > 0 ? "up" : "down");
  }
  const { statistics } = shown;
  assert.ok(statistics);
  assert.ok(Math.abs(statistics.mean[0]!) < 0.1 && Math.abs(statistics.deviation[0]! - Math.SQRT1_2) < 0.05);
  assert.ok(statistics.min[1]! >= -1 && statistics.max[1]! <= 1);

  const page = await run("data", "show", "points", "--samples", "1");
  assert.match(page.stdout, /^points\nid +[0-9a-f]{64}\nsource +points.csv.gz\n/);
  assert.match(page.stdout, /^left out +1 record/m);
  assert.match(page.stdout, /^feature +min +max +mean +deviation\nx /m);

  const settings = ["--model", "lr", "--workers", "1", "--epochs", "3", "--run-id", "user-of-points"];
  const trained = await run("train", "--data", "points", ...settings, "--json");
  const summary = lastEvent(trained);
  assert.equal(summary.event, "run.completed", trained.stdout);
  assert.ok((summary.accuracy as number) > 0.9, String(summary.accuracy));
  const { datasets } = await json<{ datasets: { names: string[]; runs: string[] }[] }>("data", "ls");
  assert.deepEqual(
    datasets.map(({ names, runs }) => [names, runs]),
    [[["points"], ["user-of-points"]]],
  );

  await refused(/data set that no run uses, got one of user-of-points/, "data", "rm", "points");
  // As whoever was killed before the manifest leaves it.
  const data = join(folder.path, ".sltrain/data");
  const finished = readdirSync(data).find((name) => name.length === 64)!;
  const stopped = "0".repeat(64);
  cpSync(join(data, finished), join(data, stopped), { recursive: true });
  rmSync(join(data, stopped, "manifest.json"));
  await refused(/expected either a data set or --unfinished, got neither/, "data", "rm");
  const { unfinished } = await json<{ unfinished: { id: string; objects: number }[] }>(
    "data",
    "rm",
    "--unfinished",
  );
  assert.deepEqual(
    unfinished.map((left) => left.id),
    [stopped],
  );
  assert.ok(unfinished[0]!.objects > 0);
  assert.match((await run("data", "ls")).stdout, /^points /m);
  assert.equal((await run("data", "rm", "points", "--force")).code, 0);
  assert.match((await run("data", "ls")).stdout, /^no data sets in fs:.sltrain; bring one in/);
});

test("sparse data keep their form, and the same content is recognised whatever its name", async () => {
  const storage = await openStorage(`fs:${join(folder.path, "sparse")}`);
  assert.equal((await bringIn(storage, "words.libsvm")).name, "words");
  const again = await bringIn(storage, "words.libsvm", "terms");
  assert.deepEqual([again.wasThere, again.name], [true, "terms"]);
  const shown = await describeData(storage, "terms", 0);
  await storage.close();
  assert.deepEqual([shown.names, shown.featureType, shown.featureShape], [["terms", "words"], "csr", [16]]);
  assert.deepEqual([shown.classNames, shown.density], [["-1", "1"], 2 / 16]);
  const table = await run("data", "ls", "--storage", "fs:sparse");
  assert.match(table.stdout, /terms, words +[0-9a-f]{12} +300 +16 csr +2 classes .* 0 +.*words\.libsvm\n$/);
});

test("a newcomer's mistakes are told with what was meant", async () => {
  write("b.csv", "a,b\n1,2\n3,4\n");
  await refused(
    /--hash-bits: expected a whole number from 1 to 28, got "?99"?/,
    ...["data", "import", "b.csv", "--hash-bits", "99"],
  );
  await refused(
    /expected a data set in fs:sparse, got "term" Code: data-unknown Try this: .*Did you mean terms\?/,
    ...["data", "show", "term", "--storage", "fs:sparse"],
  );
  await refused(
    /terms, which has been imported: expected nothing of how to read it, got --hash-bits/,
    ...["train", "--data", "terms", "--hash-bits", "8", "--model", "lr", "--storage", "fs:sparse"],
  );
});

test("data ls --known lists what can be had by name, with its licence", async () => {
  const { known } = await json<{ known: { name: string; licence: string }[] }>("data", "ls", "--known");
  assert.ok(known.some(({ name, licence }) => name === "fashion-mnist" && licence === "MIT"));
});

test("a synthetic twin is made with as many rows as one wants", async () => {
  const made = await run("data", "import", "synthetic:higgs", "--rows", "500", "--storage", "fs:twins");
  assert.equal(made.code, 0, made.stderr);
  assert.match(
    made.stdout,
    /^synthetic:higgs: 500 rows to train on, [^]*\nmade in [^]*--data synthetic:higgs --rows 500\n$/,
  );
});

test("data transform takes a number of workers, no range", async () => {
  const { code, stderr } = await run(
    "data",
    "transform",
    "table",
    "--to",
    "t",
    "--steps",
    "l2-norm",
    "--workers",
    "2..4",
  );
  assert.notEqual(code, 0);
  assert.match(stderr.replaceAll(/\s+(›\s+)?/g, " "), /--workers: expected one number, got 2\.\.4/);
  assert.match(stderr, /--workers 4/);
});

test("data transform makes another data set of the same rows, which trains as any", async () => {
  write("table.csv", `a,b,class\n${times(200, (i) => `${i % 4},${50 * Math.cos(i)},${i % 2}`)}\n`);
  const storage = await openStorage(`fs:${join(folder.path, "steps")}`);
  await bringIn(storage, "table.csv");
  const made = await run(
    ...[
      "data",
      "transform",
      "table",
      "--to",
      "steps",
      "--steps",
      "one-hot:a,l2-norm",
      "--storage",
      "fs:steps",
    ],
  );
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^steps: 180 rows to train on, 20 to validate on, 5 csr features, 2 classes\n/);
  const [before, after] = [await describeData(storage, "table", 5), await describeData(storage, "steps", 5)];
  await storage.close();
  assert.deepEqual(after.featureNames, ["a=0", "a=1", "a=2", "a=3", "b"]);
  assert.deepEqual([after.classCounts, after.counts], [before.classCounts, before.counts]);
  assert.deepEqual(after.transform, { scale: [1], offset: [0] });
  after.samples.forEach(({ label, features }, row) => {
    const [a, b] = before.samples[row]!.features as number[];
    const pairs = features as [number, number][];
    const norm = Math.hypot(1, b!);
    assert.equal(label, before.samples[row]!.label);
    assert.deepEqual(
      pairs.map(([column, value]) => [column, value.toFixed(5)]),
      [
        [a, (1 / norm).toFixed(5)],
        [4, (b! / norm).toFixed(5)],
      ],
    );
  });
  const transform = ["data", "transform", "table", "--storage", "fs:steps"];
  const onFunctions = await run(
    ...[
      ...transform,
      "--to",
      "scaled",
      "--steps",
      "standardise,tf-idf",
      "--provider",
      "local",
      "--workers",
      "2",
    ],
  );
  assert.equal(onFunctions.code, 0, onFunctions.stderr);
  assert.match(
    onFunctions.stdout,
    /^scaled: 180 rows .*\nmade in .*\n\d invocations? of functions.*\n\$.* GB-s/,
  );
  const out = await json<{ rows: number }>("data", "export", "scaled", "scaled.svm", "--storage", "fs:steps");
  assert.equal(out.rows, 200);
  const trained = await run(
    ...[
      "train",
      "--data",
      "steps",
      "--model",
      "lr",
      "--workers",
      "1",
      "--epochs",
      "2",
      "--storage",
      "fs:steps",
      "--json",
    ],
  );
  assert.equal(lastEvent(trained).event, "run.completed", trained.stdout);
});
