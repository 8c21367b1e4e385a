// A block of rows as one object: eight u32, then zstd of the rows' features and then their labels; all little-endian.
// The checksum is over the rows, not over their zstd: equal rows have one checksum whatever version of zstd packed them,
// so that concurrent writers of a cache cannot disagree.

import { constants, crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { SltrainError } from "../errors.ts";

/** What a block holds; its header repeats it. */
export interface BlockFacts {
  readonly rows: number;
  readonly rowElements: number;
  readonly featureType: "u8" | "f32";
  readonly labelType: "i32" | "f32";
  /** crc32 of the rows in memory: features, then labels. */
  readonly crc32: number;
}

export interface EncodedBlock extends BlockFacts {
  /** Header and payload: the object is their concatenation. */
  readonly parts: readonly Uint8Array[];
  /** Of the rows in memory. */
  readonly bytes: number;
}

const HEADER = [
  "magic",
  "version",
  "feature type",
  "label type",
  "rows",
  "row elements",
  "crc32",
  "payload bytes",
];
const HEADER_BYTES = 4 * HEADER.length;
const MAGIC = 0x42444c53; // "SLDB"
const VERSION = 1;

function headerOf(facts: BlockFacts, payloadBytes: number): Uint32Array {
  return Uint32Array.of(
    MAGIC,
    VERSION,
    facts.featureType === "u8" ? 1 : 4,
    facts.labelType === "i32" ? 0 : 1,
    facts.rows,
    facts.rowElements,
    facts.crc32,
    payloadBytes,
  );
}

/** Bytes of the rows in memory. */
function blockBytes({ rows, rowElements, featureType }: Omit<BlockFacts, "crc32">): number {
  return rows * (rowElements * (featureType === "u8" ? 1 : 4) + 4);
}

/** The most bytes that an object with `bytes` of rows can have: zstd adds a little to what it cannot compress. */
export function maxObjectBytes(bytes: number): number {
  return HEADER_BYTES + bytes + (bytes >>> 8) + 128;
}

/** Features (rows, rowElements) and labels (rows). */
export function encodeBlock(
  features: Uint8Array | Float32Array,
  labels: Int32Array | Float32Array,
): EncodedBlock {
  const rows = Buffer.concat([bytesOf(features), bytesOf(labels)]);
  const facts: BlockFacts = {
    rows: labels.length,
    rowElements: features.length / labels.length,
    featureType: features instanceof Uint8Array ? "u8" : "f32",
    labelType: labels instanceof Int32Array ? "i32" : "f32",
    crc32: crc32(rows),
  };
  const payload = zstdCompressSync(rows, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  return { ...facts, bytes: rows.length, parts: [bytesOf(headerOf(facts, payload.length)), payload] };
}

/**
 * The bytes of the rows: features, then labels.
 * @throws SltrainError "data-block-damaged" naming `where`, if the object is not exactly the expected block.
 */
export function decodeBlock(
  object: Uint8Array,
  expected: BlockFacts,
  where: string,
  suggestions: readonly string[],
): Uint8Array {
  const damaged = (what: string, wanted: string | number, got: string | number, cause?: unknown) => {
    const message = `${where}: expected ${what} ${wanted}, got ${got}`;
    return new SltrainError({ code: "data-block-damaged", message, cause, suggestions });
  };
  if (object.length < HEADER_BYTES) throw damaged("bytes of at least", HEADER_BYTES, object.length);
  const payload = object.subarray(HEADER_BYTES);
  const header = new DataView(object.buffer, object.byteOffset, HEADER_BYTES);
  headerOf(expected, payload.length).forEach((wanted, field) => {
    const got = header.getUint32(4 * field, true);
    if (got !== wanted) throw damaged(HEADER[field]!, wanted, got);
  });

  const bytes = blockBytes(expected);
  let rows: Uint8Array;
  try {
    // One output chunk of the whole size (64 is the least allowed): node:zlib would join hundreds of small ones.
    const chunkSize = Math.max(64, bytes);
    rows = zstdDecompressSync(payload, { chunkSize, maxOutputLength: chunkSize });
  } catch (cause) {
    throw damaged("a zstd frame of bytes", bytes, (cause as Error).message, cause);
  }
  if (rows.length !== bytes) throw damaged("bytes of rows", bytes, rows.length);
  if (crc32(rows) !== expected.crc32) throw damaged("crc32 of the rows", expected.crc32, crc32(rows));
  return rows;
}

/** The array's memory as bytes. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
