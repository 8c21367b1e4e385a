import assert from "node:assert/strict";
import { test } from "node:test";
import { LibsvmKernel } from "../../../src/data/formats/libsvm-kernel.ts";
import { RandomStream } from "../../../src/random.ts";

const kernel = new LibsvmKernel();

/** What the kernel makes of lines, from index 1 on. */
function read(lines: readonly string[]) {
  const text = new TextEncoder().encode(lines.map((line) => `${line}\n`).join("") + "\n");
  const end = text.length - 1;
  kernel.begin(end);
  const next = kernel.read(text, 0, end, 1);
  const { rows, nonZeros } = kernel;
  return {
    left: new TextDecoder().decode(text.subarray(next, end)),
    labels: [...kernel.labels.subarray(0, rows)],
    rowStarts: [...kernel.rowStarts.subarray(0, rows + 1)],
    indices: [...kernel.indices.subarray(0, nonZeros)],
    values: [...kernel.values.subarray(0, nonZeros)],
    highestIndex: kernel.highestIndex,
  };
}

/** Of 1 to 19 digits, with and without point and exponent. */
function randomNumber(random: RandomStream): string {
  const digits = Array.from({ length: 1 + random.nextInt(19) }, () => random.nextInt(10)).join("");
  const point = random.nextInt(digits.length + 1);
  const sign = random.nextInt(2) === 0 ? "-" : "";
  const exponent =
    random.nextInt(3) === 0 ? `${"eE"[random.nextInt(2)]}${["", "+", "-"][random.nextInt(3)]}` : "";
  const power = exponent === "" ? "" : String(random.nextInt(12));
  const whole = digits.slice(0, point);
  return `${sign}${whole === "" ? "0" : whole}${point < digits.length ? `.${digits.slice(point)}` : ""}${exponent}${power}`;
}

test("values are rounded as Number and f32 round, to the bit", () => {
  const random = new RandomStream(5, "decimals");
  const texts = Array.from({ length: 20_000 }, () => randomNumber(random));
  let wasLeft = 0;
  for (const text of texts) {
    const { left, values, labels } = read([`1 3:${text}`]);
    if (left !== "") {
      wasLeft++;
      continue;
    }
    const expected = Math.fround(Number(text));
    assert.deepEqual({ values, labels }, { values: expected === 0 ? [] : [expected], labels: [1] }, text);
  }
  assert.ok(wasLeft < texts.length / 8, `${wasLeft} of ${texts.length} were left to others`);
});

test("doubles that lie next to the middle of two f32 are rounded right, or left", () => {
  const random = new RandomStream(6, "middles");
  for (let i = 0; i < 5000; i++) {
    const low = Math.fround(1 + random.nextUniform());
    const middle = low + 2 ** -24;
    // 2^-52 is about 2e-16: some of these are below the middle, some above.
    const text = (BigInt(Math.round(middle * 2 ** 52)) * 10n ** 18n).toString();
    const decimals = (BigInt(text) / 2n ** 52n + BigInt(random.nextInt(401) - 200)).toString();
    const number = `${decimals[0]}.${decimals.slice(1)}`;
    const { left, values } = read([`1 1:${number}`]);
    if (left === "") assert.deepEqual(values, [Math.fround(Number(number))], number);
  }
});

test("labels are doubles to the bit", () => {
  const random = new RandomStream(7, "labels");
  const texts = Array.from({ length: 5000 }, () => randomNumber(random));
  for (const text of texts) {
    const { left, labels } = read([`${text} 1:1`]);
    if (left === "") assert.deepEqual(labels, [Number(text)], text);
  }
});

test("lines as programs write them are all read, with trailing spaces and CRLF", () => {
  assert.deepEqual(read(["-1 1:0.5 4:-2e3", "2 ", "0.25\r", "1 2:1 3:0 5:7 \r"]), {
    left: "",
    labels: [-1, 2, 0.25, 1],
    rowStarts: [0, 2, 2, 2, 4],
    indices: [1, 4, 2, 5],
    values: [0.5, -2000, 1, 7],
    highestIndex: 5,
  });
});

test("the first line that is anything else is left, and nothing of it is told", () => {
  for (const line of [
    ...["+1 1:1", "1  1:1", "1\t1:1", "1 1:1 # x", "# x", "", " 1 1:1", "1 qid:3 1:1", "1:1", "a 1:1"],
    ...["1 1:", "1 1:x", "1 1:+2", "1 1:.5", "1 1:1e", "1 1:1e5000", "1 1:1e39", "1 1:-1e39", "1 1:0x5"],
    ...["1 1:1:1", "1 0:1", "1 2:1 2:1", "1 2:1 1:1", "1 4294967295:1", "1 1", "1 -1:2", "1 1:nan", "-"],
    ...["1 1:1e-40", `1 1:${"1".repeat(20)}`, `1 1:0.${"1".repeat(30)}`, "12345678901234567.5 1:1"],
  ]) {
    const { left, ...rows } = read(["1 1:2 7:3", line, "1 9:1"]);
    assert.equal(left, `${line}\n1 9:1\n`, line);
    const told = { labels: [1], rowStarts: [0, 2], indices: [1, 7], values: [2, 3], highestIndex: 7 };
    assert.deepEqual(rows, told, line);
  }
});
