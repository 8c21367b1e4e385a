// Several frames in one object, each in a slot, so that a reader needs one range of it and knows which before it asks:
// where requests have a price, a rank's frames of a level cost one put. Slots are as long as the longest frame of the
// last round; of a longer frame the slot has the beginning, and the tail after the last slot the rest.
//
// Slot: u32 bytes of the frame, u32 offset of its rest in the object (0: none), the frame. Little-endian.

import { frameDamaged } from "../shard/frame.ts";

const PREFIX_BYTES = 8;
const ALIGNMENT_BYTES = 8;

export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/** Compressed frames of one vector differ by less from step to step. What does not fit costs its reader a request. */
const HEADROOM = 17 / 16;

/**
 * Bytes of the slots of a level: for the largest frame of the last round, of `peakBytes` (0: not known), and some more,
 * but for no more than a frame can have.
 */
export function slotBytesFor(peakBytes: number, mostBytes: number): number {
  const frameBytes = peakBytes === 0 ? mostBytes : Math.min(mostBytes, Math.ceil(peakBytes * HEADROOM));
  return Math.ceil((PREFIX_BYTES + frameBytes) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

export function slotRange(index: number, slotBytes: number): ByteRange {
  return { begin: index * slotBytes, end: (index + 1) * slotBytes };
}

/** The parts of the object that holds `frames`, in slots of `slotBytes`. */
export function packSlots(frames: readonly (readonly Uint8Array[])[], slotBytes: number): Uint8Array[] {
  const object: Uint8Array[] = [];
  const tail: Uint8Array[] = [];
  let tailEnd = frames.length * slotBytes;
  for (const parts of frames) {
    const frameBytes = parts.reduce((total, part) => total + part.byteLength, 0);
    const restBytes = Math.max(0, PREFIX_BYTES + frameBytes - slotBytes);
    const prefix = new Uint8Array(PREFIX_BYTES);
    const view = new DataView(prefix.buffer);
    view.setUint32(0, frameBytes, true);
    view.setUint32(4, restBytes === 0 ? 0 : tailEnd, true);
    let room = slotBytes - PREFIX_BYTES;
    object.push(prefix);
    for (const part of parts) {
      const here = part.subarray(0, room);
      if (here.byteLength > 0) object.push(here);
      if (here.byteLength < part.byteLength) tail.push(part.subarray(here.byteLength));
      room -= here.byteLength;
    }
    if (room > 0) object.push(new Uint8Array(room));
    tailEnd += restBytes;
  }
  return [...object, ...tail];
}

/** What a slot tells of its frame. */
export interface Slot {
  /** Where the frame is in the reader's memory, once it is whole. */
  readonly frame: ByteRange;
  /** What of it the object's tail has, and where in the reader's memory it belongs. */
  readonly overflow?: { readonly range: ByteRange; readonly at: number };
}

/** Reads the slot `bytes` of the object `key`; throws "frame-damaged" if its frame would not fit into `roomBytes`. */
export function unpackSlot(key: string, bytes: Uint8Array, roomBytes: number): Slot {
  if (bytes.byteLength < PREFIX_BYTES) throw frameDamaged(key, "a slot", `${bytes.byteLength} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = PREFIX_BYTES + view.getUint32(0, true);
  if (end > roomBytes) throw frameDamaged(key, `a frame within ${roomBytes} bytes`, `${end}`);
  const frame = { begin: PREFIX_BYTES, end };
  const at = bytes.byteLength;
  if (end <= at) return { frame };
  const begin = view.getUint32(4, true);
  return { frame, overflow: { range: { begin, end: begin + end - at }, at } };
}
