import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { suite, test } from "node:test";
import { SltrainError } from "../../src/errors.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  tensorsInto,
  tensorsOf,
  tensorsSha256,
  type NamedTensor,
} from "../../src/models/safetensors.ts";
import { RandomStream } from "../../src/random.ts";
import type { Layout } from "../../src/shard/layout.ts";

const tensors: readonly NamedTensor[] = [
  { name: "bytes", shape: [3], data: Uint8Array.of(1, 2, 255) },
  { name: "floats", shape: [2, 2], data: Float32Array.of(1.5, -0, NaN, Infinity) },
  { name: "doubles", shape: [], data: Float64Array.of(Math.PI) },
  { name: "integers", shape: [2], data: Int32Array.of(-1, 2 ** 31 - 1) },
  { name: "longs", shape: [1], data: BigInt64Array.of(-(2n ** 63n)) },
  { name: "nothing", shape: [0, 4], data: new Float32Array(0) },
  { name: "__proto__", shape: [1], data: Int32Array.of(7) },
];

const file = Buffer.concat(encodeSafetensors(tensors, { run: "r1", cursor: '{"step":3}' }));

/** A file with this header and this many bytes of data. */
function withHeader(header: unknown, dataBytes: number): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

const layout: Layout = {
  entries: [
    { name: "a/kernel", shape: [2, 3], offset: 0, length: 6 },
    { name: "a/bias", shape: [3], offset: 64, length: 3 },
  ],
  length: 128,
};

suite("safetensors", () => {
  test("come back as they were written, whatever the alignment of the memory", () => {
    for (const shift of [0, 1, 3, 4]) {
      const memory = new Uint8Array(file.length + shift);
      memory.set(file, shift);
      const decoded = decodeSafetensors(memory.subarray(shift), "file");
      assert.deepEqual({ ...decoded.metadata }, { run: "r1", cursor: '{"step":3}' });
      assert.equal(decoded.tensors.size, tensors.length);
      for (const tensor of tensors) assert.deepEqual(decoded.tensors.get(tensor.name), tensor);
    }
  });

  test("are laid out as the format says: length, padded header, data by falling alignment", () => {
    const length = Number(file.readBigUInt64LE());
    assert.equal(length % 8, 0);
    const text = file.toString("utf8", 8, 8 + length);
    const header = JSON.parse(text) as Record<string, { dtype: string; data_offsets: [number, number] }>;
    assert.ok(text.startsWith('{"__metadata__":{"run":"r1"'));
    assert.deepEqual(header.doubles, { dtype: "F64", shape: [], data_offsets: [0, 8] });
    assert.deepEqual(header.longs!.data_offsets, [8, 16]);
    assert.deepEqual(header.bytes!.data_offsets, [44, 47]);
    assert.equal(file.length, 8 + length + 47);
    assert.equal(file.readDoubleLE(8 + length), Math.PI);
  });

  test("may hold nothing at all", () => {
    const empty = decodeSafetensors(Buffer.concat(encodeSafetensors([])), "file");
    assert.equal(empty.tensors.size, 0);
    assert.deepEqual(empty.metadata, {});
  });

  test("are not encoded with a shape that is not the data's, or one name twice", () => {
    const tensor = { name: "t", shape: [2], data: new Float32Array(2) };
    assert.throws(() => encodeSafetensors([{ ...tensor, shape: [3] }]), /t has 2 elements/);
    assert.throws(() => encodeSafetensors([tensor, tensor]), /name t is taken/);
    assert.throws(() => encodeSafetensors([{ ...tensor, name: "__metadata__" }]), /is taken/);
  });

  const f32 = (shape: unknown, begin: unknown, end: unknown) => ({
    ...{ dtype: "F32", shape, data_offsets: [begin, end] },
  });
  const refused: readonly (readonly [what: string, bytes: Uint8Array, message: RegExp])[] = [
    ["an empty file", new Uint8Array(0), /at least 8 bytes, got 0/],
    ["a header longer than the file", file.subarray(0, 40), /header of at most 32 bytes/],
    ["a header length beyond reason", Buffer.alloc(64, 0xff), /its length says 18446744073709551615/],
    ["a header that is no JSON", withHeader("{not json}", 0), /header is no JSON/],
    ["a header that is no object", withHeader([1], 0), /no JSON object/],
    ["a header that begins with a space", withHeader(" {}", 0), /no JSON object/],
    [
      "a header that is no UTF-8",
      Buffer.concat([withHeader("{}", 0).subarray(0, 9), Buffer.of(0xff)]),
      /no JSON/,
    ],
    ["metadata that are no strings", withHeader({ __metadata__: { step: 3 } }, 0), /__metadata__\.step/],
    ["an entry that is no object", withHeader({ t: null }, 0), /tensor t: got null/],
    [
      "an unknown dtype",
      withHeader({ t: { ...f32([1], 0, 2), dtype: "BF16" } }, 2),
      /"BF16".*F64, I64, F32, I32, U8/,
    ],
    ["a dtype of Object's", withHeader({ t: { ...f32([1], 0, 2), dtype: "toString" } }, 2), /dtype of/],
    ["a negative extent", withHeader({ t: f32([-1], 0, 4) }, 4), /shape of whole numbers/],
    ["a broken extent", withHeader({ t: f32([0.5], 0, 2) }, 2), /shape of whole numbers/],
    ["a shape beyond all bounds", withHeader({ t: f32([2 ** 50, 2 ** 50], 0, 4) }, 4), /for this shape/],
    [
      "offsets that are no pair",
      withHeader({ t: { ...f32([1], 0, 4), data_offsets: [4] } }, 4),
      /\[begin, end\]/,
    ],
    ["offsets that run backwards", withHeader({ t: f32([1], 4, 0) }, 4), /within the 4 bytes/],
    ["offsets behind the end", withHeader({ t: f32([2], 0, 8) }, 4), /within the 4 bytes/],
    [
      "a range that is not the shape's",
      withHeader({ t: f32([1], 0, 8) }, 8),
      /expected 4 bytes for this shape, not 8/,
    ],
    [
      "tensors that overlap",
      withHeader({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8),
      /tensor b to begin at byte 8/,
    ],
    [
      "a hole between tensors",
      withHeader({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
      /tensor b .* byte 4/,
    ],
    ["data that no tensor owns", withHeader({ a: f32([1], 0, 4) }, 5), /expected 4 bytes of data, got 5/],
    [
      "one name twice",
      withHeader(
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
        2,
      ),
      /begin at byte 0/,
    ],
  ];
  for (const [what, bytes, message] of refused) {
    test(`refuse ${what}`, () => {
      assert.throws(
        () => decodeSafetensors(bytes, "m.safetensors"),
        (error: SltrainError) => {
          assert.equal(error.code, "safetensors-damaged");
          assert.match(error.message, /^m\.safetensors: /);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  test("refuse a file that was cut anywhere", () => {
    for (let length = 0; length < file.length; length++) {
      assert.throws(() => decodeSafetensors(file.subarray(0, length), "cut"), {
        code: "safetensors-damaged",
      });
    }
  });

  test("with any byte of the header changed either decode within the file or are refused as damaged", () => {
    const stream = new RandomStream(1, "safetensors-fuzz");
    const headerEnd = 8 + Number(file.readBigUInt64LE());
    let refusals = 0;
    for (let round = 0; round < 5000; round++) {
      const bytes = Uint8Array.from(file);
      for (let change = stream.nextInt(3); change >= 0; change--) {
        bytes[stream.nextInt(headerEnd)] = stream.nextInt(256);
      }
      try {
        const decoded = decodeSafetensors(bytes, "fuzz");
        const dataBytes = [...decoded.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
        assert.equal(dataBytes, file.length - headerEnd);
      } catch (error) {
        if (!(error instanceof SltrainError)) throw error;
        assert.equal(error.code, "safetensors-damaged");
        refusals++;
      }
    }
    assert.ok(refusals > 2500);
  });
});

suite("parameters in a flat vector", () => {
  const vector = Float32Array.from({ length: layout.length }, (_, index) => index);

  test("go to a file and back without their padding", () => {
    const bytes = Buffer.concat(encodeSafetensors(tensorsOf(vector, layout)));
    const back = tensorsInto(decodeSafetensors(bytes, "file"), layout, "file");
    assert.equal(back.length, layout.length);
    for (const { offset, length } of layout.entries) {
      assert.deepEqual(back.subarray(offset, offset + length), vector.subarray(offset, offset + length));
    }
    assert.ok(back.subarray(6, 64).every((element) => element === 0));
  });

  test("are refused where a tensor is absent, of another shape or of another dtype", () => {
    const [kernel, bias] = tensorsOf(vector, layout);
    const cases = [
      [[kernel!], /a\/bias Float32Array \[3\], got a\/kernel/],
      [[], /a\/kernel .* got no tensor/],
      [[kernel!, { ...bias!, shape: [1, 3] }], /a\/bias .* got Float32Array \[1,3\]/],
      [[{ ...kernel!, data: new Int32Array(6) }, bias!], /a\/kernel .* got Int32Array/],
    ] as const;
    for (const [list, message] of cases) {
      const decoded = decodeSafetensors(Buffer.concat(encodeSafetensors(list)), "m");
      assert.throws(() => tensorsInto(decoded, layout, "m"), { code: "parameters-mismatch", message });
    }
  });

  test("hash to the SHA-256 of their bytes in order, whatever the padding holds", () => {
    const bytes = Buffer.concat(
      tensorsOf(vector, layout).map(({ data }) => Buffer.from(Float32Array.from(data).buffer)),
    );
    const expected = createHash("sha256").update(bytes).digest("hex");
    assert.equal(tensorsSha256(tensorsOf(vector, layout)), expected);
    assert.equal(tensorsSha256(tensorsOf(vector.with(10, NaN), layout)), expected);
    assert.notEqual(tensorsSha256(tensorsOf(vector.with(5, NaN), layout)), expected);
  });
});
