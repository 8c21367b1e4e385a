// Columns of text that are hashed: scikit-learn's hash of each cell's content, whatever way the cell is written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "csv-parse/sync";
import { csvFormat } from "../../../src/data/formats/csv.ts";
import { murmur3 } from "../../../src/data/formats/murmur3.ts";
import type { ReadOptions } from "../../../src/data/format.ts";
import { RandomStream } from "../../../src/random.ts";
import { readRows, textFile } from "./read.ts";

const lines = (...records: string[]) => records.join("\n") + "\n";

async function read(text: string, options: Partial<ReadOptions>) {
  return readRows(csvFormat, textFile(text, 7, "a.csv"), options);
}

function murmur3Of(text: string, seed: number): number {
  const bytes = new TextEncoder().encode(text);
  return murmur3(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length, seed);
}

test("murmur3 gives the hashes of scikit-learn's murmurhash3_32", () => {
  // sklearn.utils.murmurhash3_32(text, seed, positive=True)
  for (const [text, seed, hash] of HASHES) {
    assert.equal(murmur3Of(text, seed), hash, text);
  }
});

test("columns of text are hashed by column and content, behind those of numbers", async () => {
  const text = lines("1\t5\tab\t68fd1e64", "0\t\tab\t", "1\t0\t\tab");
  const { rows, facts, labels } = await read(text, { hashBits: 10, labelColumn: "0" });
  const hashed = (word: string, column: number) => 1 + (murmur3Of(word, column) % 1024);
  assert.deepEqual(facts.featureShape, [1 + 1024]);
  assert.equal(facts.featureType, "csr");
  assert.deepEqual(labels, [1, 0, 1]);
  const rising = (...pairs: [number, number][]) => pairs.sort(([a], [b]) => a - b);
  assert.deepEqual(rows, [
    [[0, 5], ...rising([hashed("ab", 2), 1], [hashed("68fd1e64", 3), 1])],
    [[hashed("ab", 2), 1]],
    [[hashed("ab", 3), 1]],
  ]);
  assert.notEqual(hashed("ab", 2), hashed("ab", 3));
});

test("texts that fall into one feature add up", async () => {
  const { rows } = await read(lines("red,green,blue,0", "red,green,red,1"), { hashBits: 1 });
  for (const row of rows) {
    assert.equal(
      row.reduce((sum, [, value]) => sum + value, 0),
      3,
    );
    assert.ok(row.length <= 2 && row.every(([column], i) => i === 0 || column > row[i - 1]![0]));
  }
});

test("every way to write a word gives the hash of what csv-parse reads there", async () => {
  const bits = 28;
  for (let seed = 0; seed < 40; seed++) {
    const random = new RandomStream(seed, "words");
    const separator = [",", ";", "\t"][random.nextInt(3)]!;
    const newline = seed % 2 === 0 ? "\n" : "\r\n";
    const width = 1 + random.nextInt(40);
    const record = () =>
      [String(random.nextInt(2)), ...Array.from({ length: width }, () => wordCell(random, separator))].join(
        separator,
      );
    // The first record says which columns hold text.
    const first = ["1", ...Array.from({ length: width }, () => "word")].join(separator);
    const text = [first, ...Array.from({ length: 30 }, record)].join(newline) + newline;
    const { rows } = await read(text, { hashBits: bits, labelColumn: "0" });
    const records: string[][] = parse(text, { delimiter: separator, trim: true });
    assert.equal(rows.length, records.length);
    for (const [r, cells] of records.entries()) {
      const counts = new Map<number, number>();
      for (const [column, cell] of cells.entries()) {
        if (column === 0 || cell === "") continue;
        const feature = murmur3Of(cell, column) & (2 ** bits - 1);
        counts.set(feature, (counts.get(feature) ?? 0) + 1);
      }
      assert.deepEqual(
        rows[r],
        [...counts].sort(([a], [b]) => a - b),
        JSON.stringify(cells),
      );
    }
  }
});

/** Plain or with blanks, quotes, other separators; of 0 to 13 bytes or a few more. */
function wordCell(random: RandomStream, separator: string): string {
  const letters = Array.from({ length: random.nextInt(14) }, () =>
    "abcXYZ019-._~é".charAt(random.nextInt(14)),
  );
  const word = letters.join("");
  switch (random.nextInt(8)) {
    case 0:
      return `"${word}"`;
    case 1:
      return `"x${word}${separator}${word}"`;
    case 2:
      return ` ${word} `;
    case 3:
      return `${word} ${word}!`;
    default:
      return word;
  }
}

test("a record that is left out leaves no hashes to the next one", async () => {
  const text = lines("a,b,0", "c,d,1", "e,f", "g,h,0");
  const { rows, facts } = await read(text, { hashBits: 20, onBadRecord: "skip" });
  assert.equal(facts.skippedRecords, 1);
  const hashed = (word: string, column: number) => murmur3Of(word, column) & (2 ** 20 - 1);
  const wanted = ["ab", "cd", "gh"].map(([a, b]) => [hashed(a!, 0), hashed(b!, 1)].sort((x, y) => x - y));
  assert.deepEqual(
    rows.map((row) => row.map(([column]) => column)),
    wanted,
  );
});

const HASHES: readonly (readonly [text: string, seed: number, hash: number])[] = [
  ["", 0, 0],
  ["", 7, 415870660],
  ["a", 0, 1009084850],
  ["a", 7, 3990715943],
  ["ab", 0, 2613040991],
  ["ab", 7, 4264175359],
  ["abc", 0, 3017643002],
  ["abc", 7, 940791465],
  ["abcd", 0, 1139631978],
  ["abcd", 7, 1425861819],
  ["68fd1e64", 0, 3244443809],
  ["68fd1e64", 7, 696417983],
  ["grün", 0, 720732358],
  ["grün", 7, 3166418443],
  ["a longer text with spaces", 0, 2582470782],
  ["a longer text with spaces", 7, 2049993563],
];
