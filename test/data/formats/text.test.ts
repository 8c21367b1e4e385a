import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BatchReader } from "../../../src/algorithms/batch-reader.ts";
import type { Dataset } from "../../../src/data/dataset.ts";
import { decoderOf, encoderOf } from "../../../src/data/vocabulary.ts";
import { temporaryFolder, writeData } from "../files.ts";
import { dense, loadDataset } from "../load.ts";

const SENTENCE = "Größe zählt nicht; was zählt, ist das Maß.\n";

/** Rows in the order of the text, which they follow in steps of `contextLength`. */
function windowsOf({ features, count, featureShape }: Dataset, classNames: readonly string[]): string[] {
  const decode = decoderOf(classNames);
  const width = featureShape[0]!;
  return Array.from({ length: count }, (_, row) =>
    Array.from(dense(features).subarray(row * width, (row + 1) * width), decode).join(""),
  );
}

suite("text", () => {
  test("becomes rows of characters, each beginning with the end of the one before, the last tenth for validation", async (t) => {
    // Longer than a chunk of the file, with characters of two bytes across its border.
    const text = SENTENCE.repeat(26_000);
    const path = writeData(temporaryFolder(t), "sentences.txt.gz", text);
    const contextLength = 1_000;
    const { train, validation } = await loadDataset(path, { seed: 1, read: { contextLength } });
    assert.equal(train.task, "next-token");
    assert.deepEqual(train.classNames, [...new Set(text)].sort());
    assert.equal(train.classes, train.classNames.length);
    assert.deepEqual(train.featureShape, [1_001]);
    const validationBegin = text.length - Math.ceil(text.length / 10);
    for (const [split, begin, end] of [
      [train, 0, validationBegin],
      [validation, validationBegin, text.length],
    ] as const) {
      const rows = Math.floor((end - begin - 1) / contextLength);
      const expected = Array.from({ length: rows }, (_, row) => {
        const at = begin + row * contextLength;
        return text.slice(at, at + contextLength + 1);
      });
      assert.deepEqual(windowsOf(split, train.classNames).sort(), expected.sort());
    }
  });

  test("is read by the byte where it has more than 256 characters, or is no UTF-8", async (t) => {
    const folder = temporaryFolder(t);
    const many = Array.from({ length: 300 }, (_, i) => String.fromCodePoint(0x4e00 + i)).join("");
    const latin1 = Buffer.from(SENTENCE.repeat(30), "latin1");
    const read = { contextLength: 30, format: "text" };
    for (const [name, content] of [
      ["many.txt", Buffer.from(many.repeat(2))],
      ["latin1.txt", latin1],
    ] as const) {
      const { train } = await loadDataset(writeData(folder, name, content), { seed: 1, read });
      assert.equal(train.classes, 256);
      const firstRow = content.subarray(0, 31);
      const rows = Array.from({ length: train.count }, (_, row) =>
        Buffer.from(dense(train.features).subarray(row * 31, (row + 1) * 31) as Uint8Array),
      );
      assert.ok(
        rows.some((row) => row.equals(firstRow)),
        "the text's beginning is a row",
      );
    }
  });

  test("that is too short for a row to validate on is refused, saying how much it takes", async (t) => {
    const path = writeData(temporaryFolder(t), "short.txt", SENTENCE);
    await assert.rejects(loadDataset(path, { seed: 1 }), {
      code: "data-too-small",
      message: /short\.txt: expected at least 641 characters, .* row of 64 .*, got 43/,
    });
  });

  test("of numbers is a table, whatever it is called", async (t) => {
    const table = Array.from({ length: 30 }, (_, i) => `${i},${i * 2},${i % 2}`).join("\n");
    const { train } = await loadDataset(writeData(temporaryFolder(t), "table.txt", table), { seed: 1 });
    assert.equal(train.task, "classification");
  });
});

test("a batch of tokens has what the model sees, and what comes next at each position", () => {
  const rows = { features: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), featureShape: [4] };
  const reader = new BatchReader({
    ...rows,
    labels: new Int32Array(0),
    transform: { scale: [1], offset: [0] },
    task: "next-token",
  });
  const { count, x, labels } = reader.read(Uint32Array.of(2, 0, 1), 0, 2, false);
  assert.equal(count, 2);
  assert.deepEqual(x, Int32Array.of(9, 10, 11, 1, 2, 3));
  assert.deepEqual(labels, Int32Array.of(10, 11, 12, 2, 3, 4));
});

test("tokens of bytes are decoded when a character is whole", () => {
  const vocabulary = Array.from({ length: 256 }, (_, byte) => `0x${byte.toString(16).padStart(2, "0")}`);
  const decode = decoderOf(vocabulary);
  assert.deepEqual(Array.from(encoderOf(vocabulary)("aß€"), decode), ["a", "", "ß", "", "", "€"]);
});
