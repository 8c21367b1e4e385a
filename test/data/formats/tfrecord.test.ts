import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { crc32c } from "../../../src/data/formats/crc32c.ts";
import { temporaryFolder, writeData } from "../files.ts";
import { FIXTURES, readPath } from "./read-rows.ts";

const fixture = (name: string) => join(FIXTURES, "tfrecord", name);

test("CRC-32C gives the values of RFC 3720, B.4", () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  // A tail that is no multiple of eight: the check value of the polynomial.
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
});

test("numbers of all features are joined in the order of their names", async (t) => {
  const packed = writeData(temporaryFolder(t), "numbers.gz", readFileSync(fixture("numbers.tfrecord")));
  for (const path of [fixture("numbers.tfrecord"), packed]) {
    const { facts, rows, labels } = await readPath(path);
    assert.deepEqual(facts.featureShape, [4]);
    assert.equal(facts.featureType, "f32");
    assert.deepEqual(rows[0], [-5, 0, 1 / 8, 2 / 8]);
    assert.deepEqual(rows[39], [34, 39, 39 + 1 / 8, 39 + 2 / 8]);
    assert.deepEqual(
      labels,
      rows.map((_, i) => i % 3),
    );
    assert.deepEqual(facts.labels, { kind: "classes", values: [0, 1, 2] });
  }
  const { facts, labels } = await readPath(fixture("numbers.tfrecord"), { labelColumn: "age" });
  assert.deepEqual(facts.featureShape, [4]);
  assert.equal(labels[0], -5);
});

test("images come encoded or raw", async () => {
  for (const name of ["encoded", "raw"]) {
    const { facts, rows, labels } = await readPath(fixture(`${name}.tfrecord`));
    assert.deepEqual(facts.featureShape, [6, 8, 3], name);
    assert.equal(facts.featureType, "u8");
    assert.deepEqual(labels, [0, 1, 0, 1, 0]);
    // Pixel (y 2, x 3, channel 1) of the second image.
    assert.equal(rows[1]![(2 * 8 + 3) * 3 + 1], 3 * 7 + 2 * 5 + 60 + 30);
  }
});

test("damage, a cut, and records that differ name the record", async (t) => {
  const folder = temporaryFolder(t);
  const bytes = readFileSync(fixture("numbers.tfrecord"));
  const flipped = Buffer.from(bytes);
  flipped[20]! ^= 1;
  await assert.rejects(readPath(writeData(folder, "flipped", flipped)), {
    code: "data-damaged",
    message: /flipped: record 0: expected \d+ bytes of the checksum behind them, got other ones/,
  });
  await assert.rejects(readPath(writeData(folder, "cut", bytes.subarray(0, -3))), {
    code: "data-truncated",
    message: /cut: record 39: expected a whole record, got \d+ bytes and the end of the file/,
  });
  await assert.rejects(readPath(fixture("ragged.tfrecord")), {
    code: "data-ragged",
    message: /record 7: expected features age \(1\), x \(3\), as the first record's, got age \(1\), x \(2\)/,
  });
  const { labels, facts } = await readPath(fixture("ragged.tfrecord"), { onBadRecord: "skip" });
  assert.equal(labels.length, 7);
  assert.equal(facts.skippedRecords, 3);
  await assert.rejects(readPath(fixture("numbers.tfrecord"), { labelColumn: "weight" }), {
    code: "data-label",
    message: /record 0: expected a number as the label weight, got features age, label, x/,
  });
});
