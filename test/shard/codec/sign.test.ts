import assert from "node:assert/strict";
import { test } from "node:test";
import { sign } from "../../../src/shard/codec/sign.ts";
import { codecContract, decodeWith, encodeWith } from "../../contract/codec.ts";

codecContract(sign, 1);

test("a value becomes the mean magnitude of its block with its own sign", () => {
  const values = Float32Array.from({ length: 1030 }, (_, i) =>
    i < 1024 ? (i % 2 === 0 ? 3 : -1) : i - 1027,
  );
  const out = decodeWith(sign, encodeWith(sign, values), 1030);
  out.forEach((value, i) => assert.equal(value, (values[i]! < 0 ? -1 : 1) * (i < 1024 ? 2 : 1.5)));
});

test("a value takes one bit", () => {
  const { rest, compressible } = encodeWith(sign, new Float32Array(4096));
  assert.equal(rest.byteLength + compressible.byteLength, 4096 / 8 + 4 * 4);
});
