// A frame is what storage holds of a chunk: who sent what, for which round, and the encoded values. Any process can
// decode it by itself, and nothing of another run, round or sender, and no damage, passes for what was expected.
//
// Little-endian: header (72 bytes, below), scalars (f64 each), payload. The checksum is CRC-32 over all but itself.
//
//   0 u32 magic    4 u16 version   6 u8 stage    7 u8 codec    8 u64 run       16 u32 step    20 u32 bucket
//  24 u32 chunk   28 u32 rank     32 u32 generation           36 u32 contributors            40 u32 elements
//  44 u32 flags   48 f64 weight   56 u32 scalar count         60 u32 payload bytes           64 u32 zero
//  68 u32 checksum

import { crc32 } from "node:zlib";
import { SltrainError } from "../errors.ts";

const MAGIC = 0x46544c53; // "SLTF"
const VERSION = 1;
const CHECKSUM_OFFSET = 68;
export const FRAME_HEADER_BYTES = 72;
const SCALAR_BYTES = 8;
const FLAG_ZSTD = 1;

/** What a frame is for; its number in frames is its place here. */
export const frameStages = ["sum", "mean", "scalar-sum", "scalar-mean"] as const;
export type FrameStage = (typeof frameStages)[number];

/** What a reader knows about a frame before it reads it. */
export interface FrameIdentity {
  readonly run: bigint;
  readonly stage: FrameStage;
  readonly step: number;
  readonly bucket: number;
  readonly chunk: number;
  /** Who sent it: a contributor of a sum, the owner of a mean. */
  readonly rank: number;
  /** `Codec.id` */
  readonly codec: number;
  /** Values in the chunk. */
  readonly elements: number;
}

export interface FrameContent {
  /** How often the sender's rank had been started anew. */
  readonly generation: number;
  /** Ranks whose sums are in it. */
  readonly contributors: number;
  /** Samples behind the sums. */
  readonly weight: number;
  readonly scalars: Float64Array;
  /** The compressible part of the payload is a sequence of zstd frames. */
  readonly zstd: boolean;
}

export interface Frame extends FrameContent {
  /** A view of the frame's bytes. */
  readonly payload: Uint8Array;
}

/** A run's number in frames: 64-bit FNV-1a of its id (RFC 9923), which takes no library into a function's start. */
export function runNumber(runId: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(runId)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

export function frameBytes(scalarCount: number, payloadBytes: number): number {
  return FRAME_HEADER_BYTES + scalarCount * SCALAR_BYTES + payloadBytes;
}

/** The parts of the frame: a head of its own memory, then `payload` as it is. */
export function encodeFrame(
  identity: FrameIdentity,
  content: FrameContent,
  payload: readonly Uint8Array[],
): Uint8Array[] {
  const head = new Uint8Array(frameBytes(content.scalars.length, 0));
  const view = new DataView(head.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint8(6, frameStages.indexOf(identity.stage));
  view.setUint8(7, identity.codec);
  view.setBigUint64(8, identity.run, true);
  view.setUint32(16, identity.step, true);
  view.setUint32(20, identity.bucket, true);
  view.setUint32(24, identity.chunk, true);
  view.setUint32(28, identity.rank, true);
  view.setUint32(32, content.generation, true);
  view.setUint32(36, content.contributors, true);
  view.setUint32(40, identity.elements, true);
  view.setUint32(44, content.zstd ? FLAG_ZSTD : 0, true);
  view.setFloat64(48, content.weight, true);
  view.setUint32(56, content.scalars.length, true);
  view.setUint32(
    60,
    payload.reduce((total, part) => total + part.byteLength, 0),
    true,
  );
  content.scalars.forEach((scalar, i) =>
    view.setFloat64(FRAME_HEADER_BYTES + i * SCALAR_BYTES, scalar, true),
  );
  view.setUint32(CHECKSUM_OFFSET, checksumOf(head, payload), true);
  return [head, ...payload];
}

function checksumOf(head: Uint8Array, payload: readonly Uint8Array[]): number {
  const own = crc32(head.subarray(FRAME_HEADER_BYTES), crc32(head.subarray(0, CHECKSUM_OFFSET)));
  return payload.reduce((checksum, part) => crc32(part, checksum), own);
}

/**
 * The frame in `bytes`. Throws SltrainError "frame-damaged" if any byte was changed, cut or added, and "frame-foreign"
 * if it is whole but not what `expected` says; both name `key`.
 */
export function decodeFrame(key: string, bytes: Uint8Array, expected: FrameIdentity): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < FRAME_HEADER_BYTES) {
    throw frameDamaged(key, `at least ${FRAME_HEADER_BYTES} bytes`, `${bytes.byteLength}`);
  }
  const magic = view.getUint32(0, true);
  if (magic !== MAGIC) throw frameDamaged(key, `magic ${MAGIC.toString(16)}`, magic.toString(16));
  const version = view.getUint16(4, true);
  if (version !== VERSION) throw frameForeign(key, "version", VERSION, version);
  const scalarCount = view.getUint32(56, true);
  const payloadBytes = view.getUint32(60, true);
  const wholeBytes = frameBytes(scalarCount, payloadBytes);
  if (bytes.byteLength !== wholeBytes) throw frameDamaged(key, `${wholeBytes} bytes`, `${bytes.byteLength}`);
  const headBytes = wholeBytes - payloadBytes;
  const payload = bytes.subarray(headBytes);
  const checksum = checksumOf(bytes.subarray(0, headBytes), [payload]);
  const written = view.getUint32(CHECKSUM_OFFSET, true);
  if (checksum !== written)
    throw frameDamaged(key, `checksum ${written.toString(16)}`, checksum.toString(16));

  const flags = view.getUint32(44, true);
  const facts: readonly (readonly [what: string, expected: unknown, got: unknown])[] = [
    ["run", expected.run, view.getBigUint64(8, true)],
    ["stage", expected.stage, frameStages[view.getUint8(6)]],
    ["step", expected.step, view.getUint32(16, true)],
    ["bucket", expected.bucket, view.getUint32(20, true)],
    ["chunk", expected.chunk, view.getUint32(24, true)],
    ["rank", expected.rank, view.getUint32(28, true)],
    ["codec", expected.codec, view.getUint8(7)],
    ["elements", expected.elements, view.getUint32(40, true)],
    ["flags", flags & FLAG_ZSTD, flags],
  ];
  for (const [what, want, got] of facts) if (want !== got) throw frameForeign(key, what, want, got);
  return {
    generation: view.getUint32(32, true),
    contributors: view.getUint32(36, true),
    weight: view.getFloat64(48, true),
    scalars: Float64Array.from({ length: scalarCount }, (_, i) =>
      view.getFloat64(FRAME_HEADER_BYTES + i * SCALAR_BYTES, true),
    ),
    zstd: (flags & FLAG_ZSTD) !== 0,
    payload,
  };
}

export function frameDamaged(key: string, expected: string, got: string, cause?: unknown): SltrainError {
  return new SltrainError({
    code: "frame-damaged",
    message: `frame ${key}: expected ${expected}, but got ${got}`,
    cause,
    suggestions: ["Something outside sltrain changed the storage: check the disk, then start the run anew."],
  });
}

function frameForeign(key: string, what: string, expected: unknown, got: unknown): SltrainError {
  return new SltrainError({
    code: "frame-foreign",
    message: `frame ${key}: expected ${what} ${String(expected)}, but got ${String(got)}`,
    suggestions: ["Another run or another version of sltrain wrote to this storage under this run's keys."],
  });
}
