// The header of a safetensors file: where which tensor lies.

export const LENGTH_BYTES = 8;
/** The format's own limit, against headers that would exhaust a reader. */
const MAX_HEADER_BYTES = 100_000_000;
export const METADATA_KEY = "__metadata__";

export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes of the body, behind the header. */
  readonly begin: number;
  readonly end: number;
}

/** Where the body begins, by the first eight bytes of a file of that size. */
export function safetensorsHeaderEnd(start: Uint8Array, fileBytes: number, fail: Fail): number {
  if (start.length < LENGTH_BYTES) fail(`expected at least ${LENGTH_BYTES} bytes, got ${start.length}`);
  const stated = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  const limit = Math.min(fileBytes - LENGTH_BYTES, MAX_HEADER_BYTES);
  if (stated > BigInt(limit)) fail(`expected a header of at most ${limit} bytes, its length says ${stated}`);
  return LENGTH_BYTES + Number(stated);
}

/**
 * `elementBytes`: by dtype, those that the reader knows. Entries come in the order of their bytes. Calls `fail` with what was
 * expected and what came.
 */
export function parseSafetensorsHeader(
  header: Uint8Array,
  bodyBytes: number,
  elementBytes: Readonly<Record<string, number>>,
  fail: Fail,
): { readonly entries: readonly SafetensorsEntry[]; readonly metadata: Readonly<Record<string, string>> } {
  let metadata: Readonly<Record<string, string>> = {};
  const entries: SafetensorsEntry[] = [];
  for (const [name, entry] of Object.entries(parseHeader(header, fail))) {
    if (name === METADATA_KEY) metadata = readMetadata(entry, fail);
    else entries.push(readEntry(name, entry, bodyBytes, elementBytes, fail));
  }
  // Neither holes nor overlaps: what no tensor covers is damage (a lost name, say), and so is what two share.
  let covered = 0;
  for (const { name, begin, end } of entries.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      fail(`expected tensor ${name} to begin at byte ${covered} of the data, it begins at ${begin}`);
    covered = end;
  }
  if (covered !== bodyBytes) fail(`expected ${covered} bytes of data, got ${bodyBytes}`);
  return { entries, metadata };
}

export type Fail = (message: string, cause?: unknown) => never;

function parseHeader(bytes: Uint8Array, fail: Fail): object {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    fail(`the header is no JSON: ${(cause as Error).message}`, cause);
  }
  if (bytes[0] !== "{".charCodeAt(0) || !isRecord(header)) return fail("the header is no JSON object");
  return header;
}

function readMetadata(entry: unknown, fail: Fail): Readonly<Record<string, string>> {
  if (!isRecord(entry)) return fail(`${METADATA_KEY} is no object`);
  const bad = Object.keys(entry).find((key) => typeof entry[key] !== "string");
  if (bad !== undefined) {
    fail(`expected a string for ${METADATA_KEY}.${bad}, got ${JSON.stringify(entry[bad])}`);
  }
  return entry as Readonly<Record<string, string>>;
}

function readEntry(
  name: string,
  entry: unknown,
  bodyBytes: number,
  elementBytes: Readonly<Record<string, number>>,
  fail: Fail,
): SafetensorsEntry {
  const got = `tensor ${name}: got ${JSON.stringify(entry)}`;
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = isRecord(entry) ? entry : fail(`${got}: expected an object`);
  if (typeof dtype !== "string" || !Object.hasOwn(elementBytes, dtype))
    return fail(`${got}: expected a dtype of ${Object.keys(elementBytes).join(", ")}`);
  if (!isCounts(shape)) return fail(`${got}: expected a shape of whole numbers`);
  if (!isCounts(offsets) || offsets.length !== 2) return fail(`${got}: expected data_offsets [begin, end]`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > bodyBytes)
    return fail(`${got}: expected offsets within the ${bodyBytes} bytes of data`);
  const expected = elements(shape) * elementBytes[dtype]!;
  if (end - begin !== expected)
    return fail(`${got}: expected ${expected} bytes for this shape, not ${end - begin}`);
  return { name, dtype, shape, begin, end };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
