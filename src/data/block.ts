// A block of rows as one object: ten u32, then the rows, all little-endian: labels first, so that what follows them is
// aligned, then features (dense values; or CSR's row starts, values and columns, as u16 where those fit). Rows that zstd
// makes much smaller are stored as it packed them. The checksum is over the rows, not over their zstd: equal rows have one checksum whatever version
// of zstd packed them, so that concurrent writers of a data set cannot disagree.

import { constants, crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { SltrainError } from "../errors.ts";
import { bytesOf, denseView, featureTypeOf, isSparse, sizeBytesOf, VALUE_BYTES } from "./feature-rows.ts";
import type { FeatureRows, FeatureType } from "./rows.ts";

/** Class indices, targets, or nothing where a row says all itself ("next-token"). */
export type LabelType = "i32" | "f32" | "none";

/** What a block holds; its header repeats it. */
export interface BlockFacts {
  readonly rows: number;
  /** Features of a row, stored or not. */
  readonly rowElements: number;
  readonly featureType: FeatureType;
  readonly labelType: LabelType;
  /** Of CSR; 0 for dense rows. */
  readonly nonZeros: number;
  /** crc32 of the rows in memory: labels, then features. */
  readonly crc32: number;
}

/** Labels are empty where `labelType` is "none". */
export interface BlockRows {
  readonly features: FeatureRows;
  readonly labels: Int32Array | Float32Array;
}

export interface EncodedBlock extends BlockFacts {
  /** Header and payload: the object is their concatenation. */
  readonly parts: readonly Uint8Array[];
  /** Of the rows in memory. */
  readonly bytes: number;
  /** Of the object. */
  readonly storedBytes: number;
}

const FEATURE_TYPES: readonly FeatureType[] = ["u8", "f16", "f32", "csr"];
const LABEL_TYPES: readonly LabelType[] = ["i32", "f32", "none"];
const ENCODINGS = ["none", "zstd"] as const;
type Encoding = (typeof ENCODINGS)[number];

const HEADER = [
  "magic",
  "version",
  "feature type",
  "label type",
  "rows",
  "row elements",
  "non-zeros",
  "crc32",
  "encoding",
  "payload bytes",
];
const HEADER_BYTES = 4 * HEADER.length;
const ENCODING_AT = 4 * HEADER.indexOf("encoding");
const MAGIC = 0x42444c53; // "SLDB"
const VERSION = 2;
/** zstd has to save this share of the bytes; less does not pay for unpacking, at some 600 MB/s where a copy is free. */
const LEAST_SAVING = 1 / 4;
/** Of a larger block a sample says first whether it may pay: to try took more time than all else that is done for a block. */
const LEAST_SAMPLED_BYTES = 2 ** 20;
const SAMPLE_BYTES = 32 * 2 ** 10;
/** By so much may the share that is left of a sample be too large: zstd learns on. It is 0.02 to 0.03 of shuffled f32 rows. */
const SAMPLE_MARGIN = 0.06;
/** Columns below it are stored as u16: zstd would find as much, at ten times the time. */
const NARROW_COLUMNS = 65_536;

function headerOf(facts: BlockFacts, encoding: Encoding, payloadBytes: number): Uint32Array {
  return Uint32Array.of(
    MAGIC,
    VERSION,
    FEATURE_TYPES.indexOf(facts.featureType),
    LABEL_TYPES.indexOf(facts.labelType),
    facts.rows,
    facts.rowElements,
    facts.nonZeros,
    facts.crc32,
    ENCODINGS.indexOf(encoding),
    payloadBytes,
  );
}

function labelBytes({ rows, labelType }: Pick<BlockFacts, "rows" | "labelType">): number {
  return labelType === "none" ? 0 : 4 * rows;
}

function columnBytes(rowElements: number): number {
  return rowElements <= NARROW_COLUMNS ? 2 : 4;
}

/** Bytes of the rows as they are stored, before zstd. */
function plainBytes(facts: Omit<BlockFacts, "crc32">): number {
  const { rows, rowElements, featureType, nonZeros } = facts;
  const features =
    featureType === "csr"
      ? 4 * (rows + 1) + (4 + columnBytes(rowElements)) * nonZeros
      : rows * rowElements * VALUE_BYTES[featureType];
  return labelBytes(facts) + features;
}

/** The most bytes that an object with `bytes` of rows can have. */
export function maxObjectBytes(bytes: number): number {
  return HEADER_BYTES + bytes;
}

/** `rows` rows of `rowElements` features, with their labels. */
export function encodeBlock(
  { features, labels }: BlockRows,
  rows: number,
  rowElements: number,
): EncodedBlock {
  const labelType = labels.length === 0 ? "none" : labels instanceof Int32Array ? "i32" : "f32";
  const parts = isSparse(features)
    ? [features.rowStarts, features.values, storedColumns(features.columns, rowElements)]
    : [features];
  const plain = [labels, ...parts].map(bytesOf);
  const facts: BlockFacts = {
    rows,
    rowElements,
    featureType: featureTypeOf(features),
    labelType,
    nonZeros: isSparse(features) ? features.values.length : 0,
    crc32: plain.reduce((crc, part) => crc32(part, crc), 0),
  };
  const packed = packedIfItPays(plain);
  const payload = packed ? [packed] : plain;
  const payloadBytes = lengthOf(payload);
  const header = headerOf(facts, packed ? "zstd" : "none", payloadBytes);
  return {
    ...facts,
    bytes: labels.byteLength + sizeBytesOf(features),
    storedBytes: HEADER_BYTES + payloadBytes,
    parts: [bytesOf(header), ...payload],
  };
}

/** All parts as one zstd frame, if that is much smaller. */
function packedIfItPays(parts: readonly Uint8Array[]): Uint8Array | undefined {
  const bytes = lengthOf(parts);
  if (bytes > LEAST_SAMPLED_BYTES && packedShare(parts) > 1 - LEAST_SAVING + SAMPLE_MARGIN) return undefined;
  const packed = pack(Buffer.concat(parts));
  return packed.length <= bytes * (1 - LEAST_SAVING) ? packed : undefined;
}

/** What zstd leaves of the parts, by a sample from the middle of each. */
function packedShare(parts: readonly Uint8Array[]): number {
  const packedBytes = parts.reduce((sum, part) => {
    const begin = Math.max(0, Math.floor((part.length - SAMPLE_BYTES) / 2));
    const sample = part.subarray(begin, begin + SAMPLE_BYTES);
    return sample.length === 0 ? sum : sum + (part.length * pack(sample).length) / sample.length;
  }, 0);
  return packedBytes / lengthOf(parts);
}

function pack(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function storedColumns(columns: Uint32Array, rowElements: number): Uint16Array | Uint32Array {
  return columnBytes(rowElements) === 2 ? Uint16Array.from(columns) : columns;
}

/**
 * The rows, as views of memory that may be the object's own.
 * @throws SltrainError "data-block-damaged" naming `where`, if the object is not exactly the expected block.
 */
export function decodeBlock(
  object: Uint8Array,
  expected: BlockFacts,
  where: string,
  suggestions: readonly string[],
): BlockRows {
  const damaged = (what: string, wanted: string | number, got: string | number, cause?: unknown) => {
    const message = `${where}: expected ${what} ${wanted}, got ${got}`;
    return new SltrainError({ code: "data-block-damaged", message, cause, suggestions });
  };
  if (object.length < HEADER_BYTES) throw damaged("bytes of at least", HEADER_BYTES, object.length);
  const payload = object.subarray(HEADER_BYTES);
  const header = new DataView(object.buffer, object.byteOffset, HEADER_BYTES);
  const encoding = ENCODINGS[header.getUint32(ENCODING_AT, true)];
  if (encoding === undefined) throw damaged("an encoding of", "0 or 1", header.getUint32(ENCODING_AT, true));
  headerOf(expected, encoding, payload.length).forEach((wanted, field) => {
    const got = header.getUint32(4 * field, true);
    if (got !== wanted) throw damaged(HEADER[field]!, wanted, got);
  });

  const size = plainBytes(expected);
  let bytes: Uint8Array = payload;
  if (encoding === "zstd") {
    try {
      // One output chunk of the whole size (64 is the least allowed): node:zlib would join hundreds of small ones.
      const chunkSize = Math.max(64, size);
      bytes = zstdDecompressSync(payload, { chunkSize, maxOutputLength: chunkSize });
    } catch (cause) {
      throw damaged("a zstd frame of bytes", size, (cause as Error).message, cause);
    }
  }
  if (bytes.length !== size) throw damaged("bytes of rows", size, bytes.length);
  if (crc32(bytes) !== expected.crc32) throw damaged("crc32 of the rows", expected.crc32, crc32(bytes));
  return viewRows(bytes.byteOffset % 4 === 0 ? bytes : bytes.slice(), expected);
}

function viewRows(bytes: Uint8Array, facts: BlockFacts): BlockRows {
  const { rows, rowElements, featureType, labelType, nonZeros } = facts;
  const u32 = (at: number, length: number) => new Uint32Array(bytes.buffer, bytes.byteOffset + at, length);
  const labelCount = labelBytes(facts) / 4;
  const labels =
    labelType === "f32"
      ? new Float32Array(bytes.buffer, bytes.byteOffset, labelCount)
      : new Int32Array(bytes.buffer, bytes.byteOffset, labelCount);
  const at = labels.byteLength;
  if (featureType !== "csr")
    return { labels, features: denseView(featureType, bytes, at, rows * rowElements) };
  const valuesAt = at + 4 * (rows + 1);
  const columnsAt = valuesAt + 4 * nonZeros;
  const features = {
    rowStarts: u32(at, rows + 1),
    columns:
      columnBytes(rowElements) === 2
        ? new Uint32Array(new Uint16Array(bytes.buffer, bytes.byteOffset + columnsAt, nonZeros))
        : u32(columnsAt, nonZeros),
    values: new Float32Array(bytes.buffer, bytes.byteOffset + valuesAt, nonZeros),
  };
  return { labels, features };
}
