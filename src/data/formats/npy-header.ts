// The header of an NPY array: magic, version, and a Python dictionary of type, order and shape (numpy.lib.format).

import { SltrainError } from "../../errors.ts";

export interface NpyType {
  /** As NumPy calls it without the byte order: `f4`. */
  readonly name: string;
  readonly bytes: number;
  readonly read: (view: DataView, offset: number, littleEndian: boolean) => number;
}

const TYPES: Readonly<Record<string, Omit<NpyType, "name">>> = {
  b1: { bytes: 1, read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
  i1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  u1: { bytes: 1, read: (view, at) => view.getUint8(at) },
  i2: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  u2: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  i4: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  u4: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  i8: { bytes: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  u8: { bytes: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  f2: { bytes: 2, read: (view, at, little) => view.getFloat16(at, little) },
  f4: { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) },
  f8: { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
};

export interface NpyHeader {
  readonly type: NpyType;
  readonly littleEndian: boolean;
  readonly shape: readonly number[];
  /** The array's first byte. */
  readonly headerBytes: number;
}

/** @throws SltrainError "data-magic", "data-truncated", "data-type" or "data-order" naming the file. */
export function npyHeader(head: Uint8Array, where: string): NpyHeader {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const major = bytes[6];
  if (bytes.toString("latin1", 0, 6) !== "\x93NUMPY" || major === undefined || major < 1 || major > 3) {
    throw error(
      where,
      "data-magic",
      "an NPY array of version 1 to 3",
      `bytes that begin with ${bytes.toString("hex", 0, 8)}`,
    );
  }
  const lengthBytes = major === 1 ? 2 : 4;
  const headerBytes = 8 + lengthBytes + (bytes.length >= 12 ? bytes.readUIntLE(8, lengthBytes) : 4);
  if (bytes.length < headerBytes) {
    throw error(where, "data-truncated", `a header of ${headerBytes} bytes`, `${bytes.length} bytes`);
  }
  const text = bytes.toString("latin1", 8 + lengthBytes, headerBytes);
  const descr = /'descr':\s*('([^']*)'|\[)/.exec(text);
  const shape = /'shape':\s*\(([\d,\sL]*)\)/.exec(text)?.[1];
  if (!descr || shape === undefined) {
    throw error(where, "data-magic", "a header with descr, fortran_order and shape", `"${text.trim()}"`);
  }
  const [order, name] = [descr[2]?.[0] ?? "", descr[2]?.slice(1) ?? "a structure"];
  const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (!type || !"<>|=".includes(order)) {
    const known = Object.keys(TYPES).join(", ");
    throw error(
      where,
      "data-type",
      `numbers of a type among ${known}`,
      descr[2] === undefined ? name : `"${descr[2]}"`,
      ["Convert it with NumPy: x.astype('float32')."],
    );
  }
  const dims = shape.split(",").flatMap((size) => (size.trim() === "" ? [] : [Number.parseInt(size, 10)]));
  // With one dimension, or one that counts, both orders are one.
  if (/'fortran_order':\s*True/.test(text) && dims.filter((size) => size > 1).length > 1) {
    throw error(where, "data-order", "an array with one row behind the other (C order)", "Fortran order", [
      "Save it again: numpy.save(path, numpy.ascontiguousarray(x)).",
    ]);
  }
  return { type: { name, ...type }, littleEndian: order !== ">", shape: dims, headerBytes };
}

function error(
  where: string,
  code: string,
  expected: string,
  got: string,
  suggestions: readonly string[] = ["Save the array again with numpy.save."],
): SltrainError {
  return new SltrainError({ code, message: `${where}: expected ${expected}, got ${got}`, suggestions });
}
