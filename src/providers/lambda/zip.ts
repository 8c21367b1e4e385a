// Writes ZIP archives of which equal files give equal bytes, on any machine: sorted names, one date, one mode, nothing
// compressed (docs/adr/0009): https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7 to 4.3.16.

import { crc32 } from "node:zlib";

/** Contents by name; a name's folders are separated by slashes. */
export type Files = ReadonlyMap<string, Uint8Array>;

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_OF_CENTRAL = 0x06054b50;
/** Version 2.0, and for the central directory "made on Unix", without which the mode means nothing. */
const VERSION = 20;
const MADE_BY_UNIX = (3 << 8) | VERSION;
const UTF8_NAMES = 1 << 11;
/** 1980-01-01, the first day that a ZIP archive can name. */
const DOS_DATE = (1 << 5) | 1;
/** A regular file that all may read: Lambda runs functions as a user of its own. */
const MODE = 0o100644;

export function zip(files: Files): Buffer {
  const local: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const nameBytes = Buffer.from(name);
    // What both headers say: version, flags, method (stored), time, date, checksum, sizes, lengths of name and extra field.
    const common = record([
      ...[u16(VERSION), u16(UTF8_NAMES), u16(0), u16(0), u16(DOS_DATE), u32(crc32(bytes))],
      ...[u32(bytes.byteLength), u32(bytes.byteLength), u16(nameBytes.byteLength), u16(0)],
    ]);
    const header = [u32(LOCAL_HEADER), common, nameBytes];
    central.push(
      ...[u32(CENTRAL_HEADER), u16(MADE_BY_UNIX), common],
      // No comment, first disk, no internal attributes.
      ...[u16(0), u16(0), u16(0), u32(MODE * 2 ** 16), u32(offset), nameBytes],
    );
    local.push(...header, bytes);
    offset += record(header).byteLength + bytes.byteLength;
  }
  const directory = record(central);
  const end = [
    ...[u32(END_OF_CENTRAL), u16(0), u16(0), u16(files.size), u16(files.size)],
    ...[u32(directory.byteLength), u32(offset), u16(0)],
  ];
  return record([...local, directory, ...end]);
}

function record(fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat(fields);
}

function u16(value: number): Buffer {
  const field = Buffer.alloc(2);
  field.writeUInt16LE(value);
  return field;
}

function u32(value: number): Buffer {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(value);
  return field;
}
