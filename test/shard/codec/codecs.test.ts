import assert from "node:assert/strict";
import { test } from "node:test";
import { codecNames, codecOf, parseCodec } from "../../../src/shard/codec/codecs.ts";

test("every name that is offered is understood and kept", () => {
  for (const name of codecNames) assert.equal(parseCodec(name).name, name);
});

test("a share is a percentage or a fraction", () => {
  assert.equal(parseCodec("top-k:0.01").name, "top-k:1%");
  assert.equal(parseCodec("top-k:0.01").parameter, parseCodec("top-k:1%").parameter);
  assert.equal(parseCodec("top-k:1").name, "top-k:100%");
  assert.equal(parseCodec("top-k:0.05%").name, "top-k:0.05%");
});

test("what is no codec is refused with what there is", () => {
  for (const spec of [
    "",
    "f16",
    "F32",
    "top-k",
    "top-k:",
    "top-k:0",
    "top-k:101%",
    "top-k:-1",
    "top-k:1e-2",
    "int8:4",
  ])
    assert.throws(() => parseCodec(spec), { code: "codec-invalid", message: /bf16.*top-k:1%.*but got "/ });
});

test("numbers of no codec are refused", () => {
  const pairs = [
    [0, 0],
    [1, 0],
    [255, 0],
    [4, 1],
    [10, 0],
    [10, 1_000_001],
  ] as const;
  for (const [id, parameter] of pairs) assert.throws(() => codecOf(id, parameter), { code: "codec-invalid" });
});
