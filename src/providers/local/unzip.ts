// Reads ZIP archives as Lambda takes them: all entries of the central directory, stored or deflated:
// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7 to 4.3.16.

import { crc32, inflateRawSync } from "node:zlib";

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_OF_CENTRAL = 0x06054b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const DEFLATED = 8;

/** Contents by name. Throws an Error for what is no archive, and naming the entry that is damaged. */
export function unzip(archive: Buffer): Map<string, Buffer> {
  const end = endOfCentral(archive);
  const files = new Map<string, Buffer>();
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    expectSignature(archive, at, CENTRAL_HEADER);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) =>
      archive.readUInt16LE(at + offset),
    );
    const nameAt = at + CENTRAL_BYTES;
    const name = archive.toString("utf8", nameAt, nameAt + nameBytes!);
    // A folder has an entry of its own, which holds nothing.
    if (!name.endsWith("/")) files.set(name, contentOf(archive, at, name));
    at = nameAt + nameBytes! + extraBytes! + commentBytes!;
  }
  return files;
}

/** Of the entry whose central header begins at `at`. */
function contentOf(archive: Buffer, at: number, name: string): Buffer {
  const method = archive.readUInt16LE(at + 10);
  const [checksum, sizeBytes, localAt] = [16, 20, 42].map((offset) => archive.readUInt32LE(at + offset));
  expectSignature(archive, localAt!, LOCAL_HEADER);
  const begin =
    localAt! + LOCAL_BYTES + archive.readUInt16LE(localAt! + 26) + archive.readUInt16LE(localAt! + 28);
  const stored = archive.subarray(begin, begin + sizeBytes!);
  const content = method === DEFLATED ? inflateRawSync(stored) : stored;
  if (crc32(content) !== checksum)
    throw new Error(`${name}: expected checksum ${checksum}, got ${crc32(content)}`);
  return content;
}

/** The record stands at the end, before a comment that may have any length. */
function endOfCentral(archive: Buffer): number {
  const last = archive.byteLength - END_BYTES;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT_BYTES); at--) {
    if (archive.readUInt32LE(at) === END_OF_CENTRAL) return at;
  }
  throw notAnArchive();
}

function expectSignature(archive: Buffer, at: number, signature: number): void {
  if (at + 4 > archive.byteLength || archive.readUInt32LE(at) !== signature) throw notAnArchive();
}

function notAnArchive(): Error {
  return new Error("expected a ZIP archive, got something else or a part of one");
}
