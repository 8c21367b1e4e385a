// A frame is what storage holds of a piece of the vector: who sent what, for which round, and the encoded values. Any
// process can decode it by itself, and nothing of another run, round or sender, and no damage, passes for what was
// expected.
//
// Little-endian: header (72 bytes, below), scalars (f64 each), peaks and absent ranks (u32 each, an even number of them
// together), payload. The checksum (checksum.ts) is over all but itself.
//
//   0 u32 magic    4 u8 version    5 u8 lane    6 u8 level    7 u8 codec       8 u64 run      16 u32 step
//  20 u32 bucket  24 u32 piece    28 u32 rank  32 u32 generation    36 u32 codec's parameter     40 u32 elements
//  44 u16 contributors            46 u16 flags 48 f64 weight  56 u16 scalars  58 u8 peaks  59 u8 absent ranks
//  60 u32 payload bytes           64 u64 checksum

import { SltrainError } from "../errors.ts";
import { checksum } from "./checksum.ts";

const MAGIC = 0x46544c53; // "SLTF"
const VERSION = 4;
const CHECKSUM_OFFSET = 64;
export const FRAME_HEADER_BYTES = 72;
const SCALAR_BYTES = 8;
const WORD_BYTES = 4;
const FLAG_ZSTD = 1;
/** Absent ranks that a frame can name. */
export const MAX_ABSENT = 255;

/** Where a frame belongs; no two frames of a run have the same. */
export interface FrameAddress {
  /** Which of the run's vectors, and thereby which count of steps. */
  readonly lane: number;
  /** How often its values were merged: 0 for a rank's own, the pattern's levels for a mean. */
  readonly level: number;
  readonly step: number;
  readonly bucket: number;
  /** Which of what its writer publishes at the level; of a mean, which part of the bucket. */
  readonly piece: number;
  /** The writer. */
  readonly rank: number;
}

/** What a reader knows about a frame before it reads it. */
export interface FrameIdentity extends FrameAddress {
  readonly run: bigint;
  /** Values in the frame. */
  readonly elements: number;
}

export interface FrameCodec {
  /** `Codec.id` */
  readonly id: number;
  /** `Codec.parameter` */
  readonly parameter: number;
}

export interface FrameContent {
  /** How often the sender's rank had been started anew. */
  readonly generation: number;
  /** Ranks whose sums are in it. */
  readonly contributors: number;
  /** Ranks whose sums came too late to be in it; see `ExchangeMember.quorum`. */
  readonly absent: Uint32Array;
  /** Samples behind the sums. */
  readonly weight: number;
  readonly scalars: Float64Array;
  /** Bytes of the largest frame that went into it, of each level; none where nobody needs to know. */
  readonly peaks: Uint32Array;
  /** The compressible part of the payload is a sequence of zstd frames. */
  readonly zstd: boolean;
}

export interface Frame<C extends FrameCodec = FrameCodec> extends FrameContent {
  readonly codec: C;
  /** A view of the frame's bytes. */
  readonly payload: Uint8Array;
}

/** A run's number in frames: 64-bit FNV-1a of its id (RFC 9923), which takes no library into a function's start. */
export function runNumber(runId: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(runId)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

/** The length of a frame with so many peaks and absent ranks. */
export function frameBytes(scalarCount: number, wordCount: number, payloadBytes: number): number {
  return (
    FRAME_HEADER_BYTES +
    scalarCount * SCALAR_BYTES +
    (wordCount + (wordCount % 2)) * WORD_BYTES +
    payloadBytes
  );
}

/** The parts of the frame: a head of its own memory, then `payload` as it is. */
export function encodeFrame(
  identity: FrameIdentity,
  codec: FrameCodec,
  content: FrameContent,
  payload: readonly Uint8Array[],
): Uint8Array[] {
  const { scalars, peaks, absent } = content;
  const payloadBytes = payload.reduce((total, part) => total + part.byteLength, 0);
  const head = new Uint8Array(frameBytes(scalars.length, peaks.length + absent.length, 0));
  const view = new DataView(head.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, VERSION);
  view.setUint8(5, identity.lane);
  view.setUint8(6, identity.level);
  view.setUint8(7, codec.id);
  view.setBigUint64(8, identity.run, true);
  view.setUint32(16, identity.step, true);
  view.setUint32(20, identity.bucket, true);
  view.setUint32(24, identity.piece, true);
  view.setUint32(28, identity.rank, true);
  view.setUint32(32, content.generation, true);
  view.setUint32(36, codec.parameter, true);
  view.setUint32(40, identity.elements, true);
  view.setUint16(44, content.contributors, true);
  view.setUint16(46, content.zstd ? FLAG_ZSTD : 0, true);
  view.setFloat64(48, content.weight, true);
  view.setUint16(56, scalars.length, true);
  view.setUint8(58, peaks.length);
  view.setUint8(59, absent.length);
  view.setUint32(60, payloadBytes, true);
  scalars.forEach((scalar, i) => view.setFloat64(FRAME_HEADER_BYTES + i * SCALAR_BYTES, scalar, true));
  const wordsAt = FRAME_HEADER_BYTES + scalars.length * SCALAR_BYTES;
  [...peaks, ...absent].forEach((word, i) => view.setUint32(wordsAt + i * WORD_BYTES, word, true));
  view.setBigUint64(CHECKSUM_OFFSET, checksumOf(head, payload), true);
  return [head, ...payload];
}

/** `first` begins with the header. */
function checksumOf(first: Uint8Array, others: readonly Uint8Array[]): bigint {
  return checksum([first.subarray(0, CHECKSUM_OFFSET), first.subarray(FRAME_HEADER_BYTES), ...others]);
}

/** Where the frame that begins with `header` says that it belongs; nothing of it is checked yet. */
export function frameAddress(header: Uint8Array): FrameAddress {
  const view = viewOf(header);
  return {
    lane: view.getUint8(5),
    level: view.getUint8(6),
    step: view.getUint32(16, true),
    bucket: view.getUint32(20, true),
    piece: view.getUint32(24, true),
    rank: view.getUint32(28, true),
  };
}

/** The bytes of the frame that begins at `bytes`, which may go on; Infinity if not even its header is whole. */
export function frameLength(bytes: Uint8Array): number {
  if (bytes.byteLength < FRAME_HEADER_BYTES) return Infinity;
  const view = viewOf(bytes);
  const words = view.getUint8(58) + view.getUint8(59);
  return frameBytes(view.getUint16(56, true), words, view.getUint32(60, true));
}

/** What the frame in `bytes`, which may be damaged, says it was encoded with. */
export function frameCodec(bytes: Uint8Array): FrameCodec | undefined {
  if (bytes.byteLength < FRAME_HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  return { id: view.getUint8(7), parameter: view.getUint32(36, true) };
}

/**
 * The frame in `bytes`. Throws SltrainError "frame-damaged" if any byte was changed, cut or added, and "frame-foreign"
 * if it is whole but not what `expected` says, or not encoded by one of `codecs`; both name `key`.
 */
export function decodeFrame<C extends FrameCodec>(
  key: string,
  bytes: Uint8Array,
  expected: FrameIdentity,
  codecs: readonly C[],
): Frame<C> {
  const view = viewOf(bytes);
  if (bytes.byteLength < FRAME_HEADER_BYTES) {
    throw frameDamaged(key, `at least ${FRAME_HEADER_BYTES} bytes`, `${bytes.byteLength}`);
  }
  const magic = view.getUint32(0, true);
  if (magic !== MAGIC) throw frameDamaged(key, `magic ${MAGIC.toString(16)}`, magic.toString(16));
  const version = view.getUint8(4);
  if (version !== VERSION) throw frameForeign(key, "version", VERSION, version);
  const wholeBytes = frameLength(bytes);
  if (bytes.byteLength !== wholeBytes) throw frameDamaged(key, `${wholeBytes} bytes`, `${bytes.byteLength}`);
  const found = checksumOf(bytes, []);
  const written = view.getBigUint64(CHECKSUM_OFFSET, true);
  if (found !== written) throw frameDamaged(key, `checksum ${written.toString(16)}`, found.toString(16));

  const flags = view.getUint16(46, true);
  const facts: readonly (readonly [what: string, expected: unknown, got: unknown])[] = [
    ["run", expected.run, view.getBigUint64(8, true)],
    ["lane", expected.lane, view.getUint8(5)],
    ["level", expected.level, view.getUint8(6)],
    ["step", expected.step, view.getUint32(16, true)],
    ["bucket", expected.bucket, view.getUint32(20, true)],
    ["piece", expected.piece, view.getUint32(24, true)],
    ["rank", expected.rank, view.getUint32(28, true)],
    ["elements", expected.elements, view.getUint32(40, true)],
    ["flags", flags & FLAG_ZSTD, flags],
  ];
  for (const [what, want, got] of facts) if (want !== got) throw frameForeign(key, what, want, got);
  const [id, parameter] = [view.getUint8(7), view.getUint32(36, true)];
  const codec = codecs.find((known) => known.id === id && known.parameter === parameter);
  if (codec === undefined) {
    const known = codecs.map((one) => `${one.id}/${one.parameter}`).join(" or ");
    throw frameForeign(key, "codec", known, `${id}/${parameter}`);
  }
  const scalarCount = view.getUint16(56, true);
  const peakCount = view.getUint8(58);
  const wordsAt = FRAME_HEADER_BYTES + scalarCount * SCALAR_BYTES;
  const words = (begin: number, length: number): Uint32Array =>
    Uint32Array.from({ length }, (_, i) => view.getUint32(wordsAt + (begin + i) * WORD_BYTES, true));
  return {
    codec,
    generation: view.getUint32(32, true),
    contributors: view.getUint16(44, true),
    weight: view.getFloat64(48, true),
    scalars: Float64Array.from({ length: scalarCount }, (_, i) =>
      view.getFloat64(FRAME_HEADER_BYTES + i * SCALAR_BYTES, true),
    ),
    peaks: words(0, peakCount),
    absent: words(peakCount, view.getUint8(59)),
    zstd: (flags & FLAG_ZSTD) !== 0,
    payload: bytes.subarray(wholeBytes - view.getUint32(60, true)),
  };
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
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
