import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../src/random.ts";
import { bf16 } from "../../../src/shard/codec/bf16.ts";
import { codecContract, decodeWith, encodeWith } from "../../contract/codec.ts";

codecContract(bf16, 2 ** -8);

test("every value becomes the nearest of the two bf16 around it, the even one of equally near ones", () => {
  const random = new RandomStream(4, "bits");
  const bits = Uint32Array.from({ length: 20_000 }, (_, i) => {
    const any = random.nextU32();
    return i % 3 === 0 ? (any & 0xffff0000) | 0x8000 : any; // halfway
  });
  const values = new Float32Array(bits.buffer);
  const out = decodeWith(bf16, encodeWith(bf16, values), values.length);
  const outBits = new Uint32Array(out.buffer);
  values.forEach((value, i) => {
    if (Number.isNaN(value)) assert.ok(Number.isNaN(out[i]));
    else {
      const below = (bits[i]! & 0xffff0000) >>> 0;
      const low = bits[i]! & 0xffff;
      const up = low > 0x8000 || (low === 0x8000 && (below & 0x10000) !== 0);
      assert.equal(outBits[i], up ? below + 0x10000 : below);
    }
  });
});

test("shuffled, high and low bytes lie apart in the order of the values", () => {
  const bits = Uint32Array.of(0x01020000, 0x11120000, 0x21220000, 0x31320000, 0x41420000);
  const { rest, compressible } = encodeWith(bf16.shuffled!, new Float32Array(bits.buffer));
  assert.equal(Buffer.from(compressible).toString("hex"), "0111213141000000");
  assert.equal(Buffer.from(rest).toString("hex"), "0212223242000000");
});
