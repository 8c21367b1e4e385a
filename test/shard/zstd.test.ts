import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";
import { RandomStream } from "../../src/random.ts";
import { nativeZstd } from "../../src/shard/zstd-native.ts";
import { loadPortableZstd } from "../../src/shard/zstd-portable.ts";
import { BLOCK_BYTES, inBlocks, loadZstd, splitFrames, type Zstd } from "../../src/shard/zstd.ts";

assert.ok(nativeZstd !== undefined, "tests run on a Node with native zstd");
const native = inBlocks(nativeZstd);
const portable = inBlocks(await loadPortableZstd());

/** Values like a gradient's: their exponents compress, the rest does not. */
function gradientBytes(sizeBytes: number): Uint8Array {
  const random = new RandomStream(2, "zstd");
  const values = Float32Array.from({ length: Math.ceil(sizeBytes / 4) }, () => random.nextUniform() - 0.5);
  return new Uint8Array(values.buffer, 0, sizeBytes);
}

const inputs = [
  gradientBytes(1),
  gradientBytes(100),
  gradientBytes(70_000),
  gradientBytes(BLOCK_BYTES),
  gradientBytes(BLOCK_BYTES * 2 + 12),
];
const payloadOf = async (zstd: Zstd, input: Uint8Array): Promise<Uint8Array> =>
  Buffer.concat(await zstd.compress(input));

for (const writer of [native, portable]) {
  for (const reader of [native, portable]) {
    test(`${reader.name} reads what ${writer.name} wrote`, async () => {
      for (const input of inputs) {
        const payload = await payloadOf(writer, input);
        const back = await reader.decompress(payload, input.byteLength);
        assert.equal(Buffer.compare(back, input), 0);
      }
    });
  }

  test(`what ${writer.name} wrote is standard zstd, one frame per block`, async () => {
    for (const input of inputs) {
      const frames = splitFrames(await payloadOf(writer, input));
      assert.equal(frames.length, Math.ceil(input.byteLength / BLOCK_BYTES));
      assert.equal(
        Buffer.compare(Buffer.concat(frames.map((frame) => zlib.zstdDecompressSync(frame))), input),
        0,
      );
    }
  });

  test(`${writer.name} compresses shared memory`, async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(5000), 8, 4000).fill(3);
    const payload = await payloadOf(writer, shared);
    assert.ok(payload.byteLength < 100);
    assert.deepEqual(Buffer.from(await native.decompress(payload, 4000)), Buffer.from(shared));
  });

  test(`${writer.name} refuses more bytes than were expected, cut frames and what is no frame`, async () => {
    const refuses = (payload: Uint8Array, maxBytes: number) =>
      assert.rejects(async () => writer.decompress(payload, maxBytes), { code: "zstd-damaged" });
    const payload = await payloadOf(native, gradientBytes(1000));
    await refuses(payload, 999);
    await refuses(Buffer.concat([payload, payload]), 1000);
    for (const cut of [3, 5, 8, payload.byteLength - 1]) await refuses(payload.subarray(0, cut), 1000);
    await refuses(Buffer.from("not zstd at all"), 1000);
    const large = await payloadOf(native, gradientBytes(BLOCK_BYTES * 2));
    await refuses(large, BLOCK_BYTES * 2 - 1);
    large.fill(0xff, 20, 40);
    await refuses(large, BLOCK_BYTES * 2);
  });
}

test("frames with checksums, with unknown size and of zeros are split at their ends", () => {
  const checksum = { params: { [zlib.constants.ZSTD_c_checksumFlag]: 1 } };
  const noSize = { params: { [zlib.constants.ZSTD_c_contentSizeFlag]: 0 } };
  const frames = [
    zlib.zstdCompressSync(new Uint8Array(300_000)),
    zlib.zstdCompressSync(gradientBytes(500), checksum),
    zlib.zstdCompressSync(gradientBytes(300_000), noSize),
    zlib.zstdCompressSync(new Uint8Array(0)),
  ];
  assert.deepEqual(
    splitFrames(Buffer.concat(frames)).map((frame) => Buffer.from(frame)),
    frames,
  );
});

test("an empty payload is an empty input", async () => {
  assert.deepEqual(await native.compress(new Uint8Array(0)), []);
  assert.equal((await native.decompress(new Uint8Array(0), 0)).byteLength, 0);
});

test("the runtime's own zstd is preferred", async () => {
  assert.equal((await loadZstd()).name, "node:zlib");
});
