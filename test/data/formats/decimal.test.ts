import assert from "node:assert/strict";
import { test } from "node:test";
import { DecimalReader } from "../../../src/data/formats/decimal.ts";
import { RandomStream } from "../../../src/random.ts";

const reader = new DecimalReader();
const bytesOf = (text: string) => new TextEncoder().encode(`${text}\n`);

function assertRead(text: string): void {
  const bytes = bytesOf(text);
  const wanted = Number(text);
  assert.equal(reader.double(bytes, 0), text.length, text);
  assert.ok(Object.is(reader.value, wanted), text);
  assert.equal(reader.single(bytes, 0), text.length, text);
  assert.ok(Object.is(Math.fround(reader.value), Math.fround(wanted)), `${text} as f32`);
}

test("numbers of every form are read as Number() reads them", () => {
  for (const text of [
    ...["0", "-0", "+1", "5.", ".5", "-.25", "1e3", "1E-3", "1.5e+2", "007", "0.1", "123456789012345678"],
    ...["9007199254740993", "9007199254740992.5", "1e22", "1e23", "1e-22", "1e-23", "8.5e37", "3.4028236e38"],
    ...["1e400", "-1e400", "1e-400", "1e99999999999999999999", "4.9e-324", "2.2250738585072014e-308"],
    ...["1.000000000000000000e+00", "8.692932128906250000e-01", "0.00000000000000000000000000001"],
    // Halves between two f32 numbers, to the last digit, and next to them.
    ...["1.00000005960464477539062", "1.000000059604644775390625", "1.000000059604644775390626"],
    ...["16777217", "16777217.0000000000000001", "1.17549428e-38", "1.4e-45", "7e-46", "7.1e-46"],
  ]) {
    assertRead(text);
  }
});

test("a random number of any length is read as Number() reads it", () => {
  const random = new RandomStream(7, "decimals");
  const below = (limit: number) => random.nextInt(limit);
  const digits = (count: number) => Array.from({ length: count }, () => below(10)).join("");
  for (let i = 0; i < 30_000; i++) {
    const fraction = below(3) === 0 ? "" : `.${digits(below(22))}`;
    const exponent = below(3) > 0 ? "" : `e${["", "-", "+"][below(3)]!}${below(below(8) === 0 ? 330 : 30)}`;
    assertRead(`${["", "-"][below(2)]!}${digits(1 + below(20))}${fraction}${exponent}`);
  }
});

test("f32 numbers written out with 18 decimals come back as they were", () => {
  const random = new RandomStream(3, "bits");
  const values = new Float32Array(Uint32Array.from({ length: 20_000 }, () => random.nextU32()).buffer);
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    const text = value.toExponential(18);
    reader.single(bytesOf(text), 0);
    assert.equal(Math.fround(reader.value), value, text);
  }
});

test("what is no number is none, and nothing of it is taken", () => {
  for (const text of ["", "-", "+", ".", "-.", "e5", "1e", "1e+", "nan", "inf", "x1", "--1"]) {
    assert.equal(reader.single(bytesOf(text), 0), 0, text);
    assert.ok(Number.isNaN(reader.value), text);
  }
});

test("a number ends where something begins that is not of it", () => {
  for (const [text, end] of [
    ["12,3", 2],
    ["1.5 ", 3],
    ["-2;", 2],
    ["1.2.3", 3],
    ["3-4", 1],
  ] as const) {
    assert.equal(reader.double(bytesOf(text), 0), end, text);
  }
});
