import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { temporaryFolder, writeData } from "./files.ts";
import { dense, loadDataset } from "./load.ts";

const lines = (...records: string[]) => records.join("\n") + "\n";

const load = (t: TestContext, name: string, content: string | Uint8Array) =>
  loadDataset(writeData(temporaryFolder(t), name, content), { seed: 1 });

const table = lines("x,y", ...Array.from({ length: 40 }, (_, i) => `${i},${i % 2}`));

test("a CSV file in gzip is the same data set as the file itself", async (t) => {
  const [plain, packed] = [await load(t, "a.csv", table), await load(t, "a.csv.gz", table)];
  assert.deepEqual(packed.train.features, plain.train.features);
  assert.deepEqual([plain.train.count, plain.validation.count], [36, 4]);
});

test("columns are standardised one by one, by the training split", async (t) => {
  const records = Array.from({ length: 40 }, (_, i) => `${i},${1e6 + i * 1000},7,${i % 2}`);
  const { train } = await load(t, "a.csv", lines(...records));
  for (let column = 0; column < 3; column++) {
    const values = Array.from(
      { length: train.count },
      (_, row) =>
        dense(train.features)[3 * row + column]! * train.transform.scale[column]! +
        train.transform.offset[column]!,
    );
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    assert.ok(Math.abs(mean) < 1e-9);
    assert.ok(Math.abs(deviation - (column === 2 ? 0 : 1)) < 1e-9);
  }
});

test("binary content, an empty file and a header without records are refused", async (t) => {
  await assert.rejects(load(t, "a.csv", Buffer.from([0x89, 0x50, 0, 0x47])), {
    code: "data-magic",
    message: /expected a file of a known format \(.*idx, .*csv\), got bytes that begin with 89500047$/,
  });
  await assert.rejects(load(t, "a.csv", ""), { code: "data-magic", message: /an empty file/ });
  await assert.rejects(load(t, "a.csv", "a,b,label\n"), { code: "data-too-small" });
});
