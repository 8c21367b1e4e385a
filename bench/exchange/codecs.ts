// Times codecs, zstd and checksums on one vector: `npx node bench/exchange/codecs.ts`, with --elements 3000000 --codecs
// f32,top-k:1% --json. GB/s are those of the f32 values, whatever their encoded size; "copy" is how many times as long as
// a copy of them, in the same run, encoding takes.

import { parseArgs } from "node:util";
import { checksum } from "../../src/shard/checksum.ts";
import { type Codec, type Encoded, roomFor } from "../../src/shard/codec/codec.ts";
import { codecNames, parseCodec } from "../../src/shard/codec/codecs.ts";
import { encodeWithFeedback } from "../../src/shard/error-feedback.ts";
import { addInOrder } from "../../src/shard/simd/sums.ts";
import { loadZstd } from "../../src/shard/zstd.ts";
import { describeProvenance } from "../machine.ts";
import { gradient } from "./gradients.ts";

const { values: options } = parseArgs({
  options: {
    elements: { type: "string", default: "3000000" },
    codecs: { type: "string", default: codecNames.join(",") },
    json: { type: "boolean", default: false },
  },
});
const elements = Number(options.elements);
const VALUE_BYTES = 4;
const REPEATS = 15;
const WARM_UPS = 3;
/** Chunks of a sum. */
const SUMMED = 4;

/** The least of many, in milliseconds: other work on the machine only adds. */
async function timed(work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let i = -WARM_UPS; i < REPEATS; i++) {
    const beganMs = performance.now();
    await work();
    if (i >= 0) times.push(performance.now() - beganMs);
  }
  return Math.min(...times);
}

const zstd = await loadZstd();
// As in a worker: the gradients lie in memory that threads can share.
const values = new Float32Array(new SharedArrayBuffer(elements * VALUE_BYTES));
values.set(gradient(0, elements));
const out = new Float32Array(elements);
const residual = new Float32Array(elements);

interface Row {
  readonly codec: string;
  readonly bytesPerValue: number;
  readonly encodeMs: number;
  readonly decodeMs: number;
  /** Of each of SUMMED chunks, their mean included. */
  readonly sumMs: number;
  /** Encoding with error feedback; 0 for codecs that need none. */
  readonly feedbackMs: number;
  /** After zstd, of which only the codec's `compressible` part. */
  readonly zstdBytesPerValue: number;
  readonly compressMs: number;
  readonly decompressMs: number;
}

function mean(codec: Codec, encoded: Encoded): void {
  const addends = Array.from({ length: SUMMED }, () => codec.reader(encoded, elements));
  addInOrder({ length: elements, addends }, { quotients: out, divisor: SUMMED });
}

async function measure(codec: Codec, name: string): Promise<Row> {
  const room = roomFor(codec, elements);
  const encodeMs = await timed(() => codec.encode(values, room, 1));
  const encoded = codec.encode(values, room, 1);
  const bytes = encoded.rest.byteLength + encoded.compressible.byteLength;
  const { compressible } = encoded;
  const frames = Buffer.concat(await zstd.compress(compressible));
  return {
    codec: name,
    bytesPerValue: bytes / elements,
    encodeMs,
    decodeMs: await timed(() => codec.decode(encoded, out)),
    sumMs: (await timed(() => mean(codec, encoded))) / SUMMED,
    feedbackMs: codec.biased ? await timed(() => encodeWithFeedback(codec, values, residual, room, 1)) : 0,
    zstdBytesPerValue:
      (bytes - compressible.byteLength + Math.min(frames.byteLength, compressible.byteLength)) / elements,
    compressMs: await timed(() => zstd.compress(compressible)),
    decompressMs: await timed(() => zstd.decompress(frames, compressible.byteLength)),
  };
}

const bytesOf = (array: Float32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const copyMs = await timed(() => out.set(values));
const checksumMs = await timed(() => checksum([bytesOf(out)]));
const rows: Row[] = [];
for (const spec of options.codecs.split(",")) {
  const codec = parseCodec(spec);
  rows.push(await measure(codec, spec));
  if (codec.shuffled !== undefined) rows.push(await measure(codec.shuffled, `${spec} shuffled`));
}

if (options.json) {
  console.log(JSON.stringify({ ...describeProvenance(), elements, copyMs, checksumMs, rows }, undefined, 2));
} else {
  const gigabytesPerSecond = (ms: number): string =>
    ms === 0 ? "" : ((elements * VALUE_BYTES) / ms / 1e6).toFixed(2);
  console.log(
    `${elements} values; copy ${gigabytesPerSecond(copyMs)} GB/s, checksum ${gigabytesPerSecond(checksumMs)} GB/s`,
  );
  console.table(
    Object.fromEntries(
      rows.map((row) => [
        row.codec,
        {
          "bytes/value": row.bytesPerValue.toFixed(3),
          "encode GB/s": gigabytesPerSecond(row.encodeMs),
          copy: (row.encodeMs / copyMs).toFixed(1),
          "decode GB/s": gigabytesPerSecond(row.decodeMs),
          "sum GB/s": gigabytesPerSecond(row.sumMs),
          "feedback GB/s": gigabytesPerSecond(row.feedbackMs),
          "with zstd": row.zstdBytesPerValue.toFixed(3),
          "compress ms": row.compressMs.toFixed(1),
          "decompress ms": row.decompressMs.toFixed(1),
        },
      ]),
    ),
  );
}
