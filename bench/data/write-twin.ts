// Writes a synthetic twin to a file, so that peers (scikit-learn, liblinear) read the very rows that sltrain makes:
//   node bench/data/write-twin.ts higgs 1000000 libsvm /tmp/higgs.svm [--split validation] [--seed 1]

import { parseArgs } from "node:util";
import { writeRows, rowFileFormats } from "../../src/data/write-rows.ts";
import { openTwin } from "../../src/data/twins/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    split: { type: "string", default: "train" },
    seed: { type: "string", default: "1" },
  },
});
const [name, rows, format, path] = positionals;
if (name === undefined || rows === undefined || format === undefined || path === undefined) {
  console.error(
    `usage: write-twin.ts NAME ROWS ${rowFileFormats.join("|")} PATH [--split validation] [--seed 1]`,
  );
  process.exit(2);
}
const split = values.split === "validation" ? "validation" : "train";
const started = performance.now();
const reader = openTwin(name, { seed: Number(values.seed), split, rows: Number(rows) });
const written = await writeRows(reader, format, path);
const seconds = (performance.now() - started) / 1000;
console.log(
  `${path}: ${written.rows} rows, ${(written.bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s`,
);
