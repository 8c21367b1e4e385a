import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Format, ReadOptions } from "../../../src/data/format.ts";
import { csvFormat } from "../../../src/data/formats/csv.ts";
import { libsvmFormat } from "../../../src/data/formats/libsvm.ts";
import type { RowBlock } from "../../../src/data/rows.ts";
import { ImportThreads } from "../../../src/data/threads/import-threads.ts";
import { SltrainError } from "../../../src/errors.ts";
import { RandomStream } from "../../../src/random.ts";
import { randomChunks, textFile } from "./read.ts";

const threads = new ImportThreads(3);
after(() => threads.close());

/** Blocks, facts and the error's text: all that an import makes of a text. */
async function outcome(format: Format, text: string, options: Partial<ReadOptions>, seed?: number) {
  const onThreads = seed !== undefined;
  const file = textFile(text, onThreads ? randomChunks(seed, 2 ** 18) : undefined, "t.txt");
  const reader = await format.open(file, { onBadRecord: "fail", ...options });
  if ("train" in reader) throw new Error("expected rows without a split of their own");
  const blocks: RowBlock[] = [];
  try {
    for await (const { release, ...block } of reader.read(onThreads ? threads : undefined)) {
      // Later blocks may lie where this one lay.
      blocks.push(structuredClone(block));
      release?.();
    }
    return { blocks, facts: reader.facts() };
  } catch (error) {
    if (!(error instanceof SltrainError)) throw error;
    return { blocks, error: [error.code, error.message, ...error.suggestions] };
  }
}

async function assertSame(format: Format, text: string, options: Partial<ReadOptions> = {}) {
  const here = await outcome(format, text, options);
  assert.deepEqual(await outcome(format, text, options, text.length), here);
  return here;
}

const MIB = 2 ** 20;

/** Lines until there are some windows of text. */
function linesOf(random: RandomStream, line: (i: number) => string, bytes = 3.3 * MIB): string {
  const lines: string[] = [];
  for (let size = 0; size < bytes; size += lines.at(-1)!.length + 1) lines.push(line(lines.length));
  return lines.join(random.nextInt(2) === 0 ? "\n" : "\r\n");
}

test("LibSVM rows, labels and widths are the same on threads, in any chunks", async () => {
  for (const seed of [1, 2]) {
    const random = new RandomStream(seed, "libsvm");
    const text = linesOf(random, (i) => {
      const values = Array.from(
        { length: random.nextInt(40) },
        (_, k) => `${2 * k + 1 + random.nextInt(2)}:${random.nextNormal()}`,
      );
      return i % 97 === 0
        ? "# nothing"
        : `${random.nextInt(3) - 1} ${values.join(" ")}${i % 13 === 0 ? " # x" : ""}`;
    });
    const { blocks } = await assertSame(libsvmFormat, text);
    assert.ok(blocks.length >= 3);
  }
});

test("a table whose quoted cells go on over lines and windows is the same on threads", async () => {
  const random = new RandomStream(1, "quotes");
  const cell = () => `"${'a line\nand ""another"", '.repeat(random.nextInt(30_000) ** 2 / 30_000 / 10)}"`;
  const text = `y,text,x\n${linesOf(random, (i) => `${random.nextInt(2)},${i % 5 === 0 ? cell() : "b"},${random.nextInt(1000)}`, 5 * MIB)}`;
  const { blocks, facts } = await assertSame(csvFormat, text, { hashBits: 10 });
  assert.ok(facts && blocks.length >= 4, String(blocks.length));
});

test("a cell that is longer than several windows is one cell on threads too", async () => {
  const text = `y,text\n0,a\n1,"${"long\n".repeat(MIB)}"\n${"0,b\n".repeat(MIB / 2)}`;
  const { blocks } = await assertSame(csvFormat, text, { hashBits: 4 });
  assert.ok(blocks.length >= 2);
});

test("names of classes get the same numbers whichever window they come in", async () => {
  const random = new RandomStream(1, "names");
  const text = linesOf(
    random,
    (i) =>
      `${random.nextInt(1000)},${random.nextNormal()},class-${Math.floor(i / 20_000)}-${random.nextInt(4)}`,
  );
  const { facts } = await assertSame(csvFormat, `a,b,label\n${text}`);
  assert.ok(facts?.labels.kind === "classes" && facts.labels.values.length > 8);
});

test("numbers that are too many for classes are targets on threads too", async () => {
  const random = new RandomStream(1, "targets");
  const text = linesOf(random, () => `${random.nextInt(1000)},${random.nextNormal()}`);
  assert.equal((await assertSame(csvFormat, text)).facts?.labels.kind, "targets");
  await assertSame(csvFormat, `a,label\n${text}`);
});

test("what cannot be read has the same line and column on threads, and is counted as often", async () => {
  const random = new RandomStream(1, "bad");
  for (const [format, good, bad] of [
    [libsvmFormat, "1 1:0.5 2:0.25", ["1 1:0.5 2:x", "y 1:1", "1 3:1 2:1", "1 0:4"]],
    [
      csvFormat,
      "1,0.5,0.25,1",
      ["1,0.5,a,1", "1,2,3", '1,"2" 3,4,1', "1,2,3,", '1,2,"3\n\n,4', "1,2,3,name"],
    ],
  ] as const) {
    const sound = linesOf(random, () => good, 1.5 * MIB);
    for (const line of bad) {
      const broken = `${sound}\n${line}\n${sound}\n${line}\n${sound}`;
      await assertSame(format, broken);
      await assertSame(format, broken, { onBadRecord: "skip" });
    }
  }
});
