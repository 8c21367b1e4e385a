// TFRecord (tensorflow.org/tutorials/load_data/tfrecord): records between checksums, each a tf.train.Example. A record is an
// image (encoded as PNG or JPEG, or raw with height, width and depth) or numbers, which are joined in the order of names.

import type { BinaryReader } from "@bufbuild/protobuf/wire";
import { SltrainError } from "../../errors.ts";
import type { ContentFile, Format, ReadOptions } from "../format.ts";
import type { RowBlock, RowReader } from "../rows.ts";
import { crc32c } from "./crc32c.ts";
import { imageKind } from "./decode-image.ts";
import { ImageBlocks } from "./image-blocks.ts";
import { LabelColumn } from "./labels.ts";
import { decodeExample, type Feature } from "./tf-example.ts";

/** Length (u64), its checksum (u32); behind the data its own (u32). All little-endian. */
const HEADER_BYTES = 12;
const FOOTER_BYTES = 4;
const MAX_RECORD_BYTES = 2 ** 30;
const BLOCK_BYTES = 2 ** 20;
/** Of the label, unless the user names it; the first that a record has. */
const LABEL_NAMES = ["label", "image/class/label", "labels", "target", "class", "y"];

export const tfrecordFormat: Format = {
  name: "tfrecord",
  description: "TFRecord of tf.train.Example: an image or numbers, and a label (also .gz)",
  // The checksum of the first record's length: no other file has it by chance.
  matches: (head) => head.length >= HEADER_BYTES && lengthOf(head) !== undefined,
  takes: ["onBadRecord", "labelColumn", "labelKind", "imageSize"],
  open: async (file, options) => {
    // Loaded here: only who imports such files pays for it.
    const { BinaryReader: Reader } = await import("@bufbuild/protobuf/wire");
    return new TfrecordReader(file, options, Reader);
  },
};

type Example = ReadonlyMap<string, Feature>;

class TfrecordReader implements RowReader {
  readonly #path: string;
  readonly #file: ContentFile;
  readonly #options: ReadOptions;
  readonly #Reader: new (bytes: Uint8Array) => BinaryReader;
  readonly #seen = new LabelColumn();
  readonly #images: ImageBlocks;
  #labelName: string | undefined;
  /** Of records of numbers: how many each feature has. */
  #layout: ReadonlyMap<string, number> | undefined;
  #areImages = false;
  #skippedRecords = 0;

  constructor(file: ContentFile, options: ReadOptions, Reader: new (bytes: Uint8Array) => BinaryReader) {
    this.#path = file.path;
    this.#file = file;
    this.#options = options;
    this.#Reader = Reader;
    this.#images = new ImageBlocks(options);
  }

  async *read(): AsyncGenerator<RowBlock> {
    let record = 0;
    let rows: number[][] = [];
    let labels: number[] = [];
    const takeNumbers = (): RowBlock => {
      const features = Float32Array.from(rows.flat());
      const block = { count: rows.length, features, labels: Float64Array.from(labels) };
      [rows, labels] = [[], []];
      return block;
    };
    for await (const { data, isWhole } of records(this.#file.content(), this.#path)) {
      const where = `${this.#path}: record ${record}`;
      try {
        if (!isWhole) {
          const expected = `${data.length} bytes of the checksum behind them`;
          throw recordError(where, "data-damaged", expected, "other ones");
        }
        const example = this.#decode(data, where);
        this.#areImages ||= record === this.#skippedRecords && imageOf(example) !== undefined;
        if (!this.#areImages && this.#options.imageSize) throw sizeInVain(this.#path);
        const label = this.#labelOf(example, where);
        if (this.#areImages) {
          const block = await this.#addImage(example, label, where);
          this.#count(label, record);
          if (block) yield block;
        } else {
          rows.push(this.#numbersOf(example, where));
          labels.push(label);
          this.#count(label, record);
          if (rows.length * rows[0]!.length * 4 >= BLOCK_BYTES) yield takeNumbers();
        }
      } catch (error) {
        const isBadRecord = error instanceof SltrainError && error.code !== "data-options";
        if (this.#options.onBadRecord === "fail" || !isBadRecord) throw error;
        this.#skippedRecords++;
      }
      record++;
    }
    const last = this.#areImages ? this.#images.finish() : rows.length > 0 ? takeNumbers() : undefined;
    if (last) yield last;
  }

  facts() {
    const width = [...(this.#layout?.values() ?? [])].reduce((sum, length) => sum + length, 0);
    return {
      featureShape: this.#areImages ? this.#images.featureShape : [width],
      featureType: this.#areImages ? ("u8" as const) : ("f32" as const),
      labels: this.#seen.meaningOfNumbers(this.#path, this.#options.labelKind),
      skippedRecords: this.#skippedRecords,
    };
  }

  #decode(data: Uint8Array, where: string): Example {
    try {
      return decodeExample(data, this.#Reader);
    } catch (cause) {
      throw recordError(where, "data-record", "a tf.train.Example", (cause as Error).message, cause);
    }
  }

  #labelOf(example: Example, where: string): number {
    const { labelColumn } = this.#options;
    this.#labelName ??= labelColumn ?? LABEL_NAMES.find((name) => example.has(name));
    const feature = this.#labelName === undefined ? undefined : example.get(this.#labelName);
    if (
      feature &&
      feature.kind !== "bytes" &&
      feature.values.length === 1 &&
      Number.isFinite(feature.values[0])
    ) {
      return feature.values[0]!;
    }
    const expected = `a number as the label ${this.#labelName ?? `(${LABEL_NAMES.join(", ")})`}`;
    const got = feature ? describe(feature) : `features ${[...example.keys()].sort().join(", ") || "none"}`;
    throw recordError(where, "data-label", expected, got, undefined, ["Name the label: --label-column NAME"]);
  }

  /** Only of a record that is not left out: a label that no row has is no class. */
  #count(label: number, record: number): void {
    this.#seen.addNumber(label, record, () => String(label));
  }

  async #addImage(example: Example, label: number, where: string): Promise<RowBlock | undefined> {
    const image = imageOf(example);
    if (!image) throw recordError(where, "data-image", "an image, as the first record has one", "none");
    if (image.shape === undefined) return this.#images.add(image.bytes, label, where);
    const [height = 0, width = 0, channels = 0] = image.shape;
    if (image.bytes.length !== height * width * channels || (channels !== 1 && channels !== 3)) {
      const expected = `${height} x ${width} x ${channels} bytes of pixels, 1 or 3 channels`;
      throw recordError(where, "data-image", expected, `${image.bytes.length} bytes`);
    }
    return this.#images.addDecoded({ height, width, channels, pixels: image.bytes }, label, where);
  }

  #numbersOf(example: Example, where: string): number[] {
    const names = [...example.keys()].filter((name) => name !== this.#labelName).sort();
    const wrong = names.find((name) => example.get(name)!.kind === "bytes");
    if (wrong !== undefined || names.length === 0) {
      const got = wrong === undefined ? "no features" : `"${wrong}": ${describe(example.get(wrong)!)}`;
      throw recordError(where, "data-type", "features of numbers or one image", got);
    }
    const layout = new Map(names.map((name) => [name, example.get(name)!.values.length]));
    const list = (of: ReadonlyMap<string, number>) => [...of].map(([name, n]) => `${name} (${n})`).join(", ");
    if (this.#layout && list(layout) !== list(this.#layout)) {
      throw recordError(
        where,
        "data-ragged",
        `features ${list(this.#layout)}, as the first record's`,
        list(layout),
      );
    }
    const row = names.flatMap((name) => example.get(name)!.values as readonly number[]);
    const bad = row.find((value) => !Number.isFinite(Math.fround(value)));
    if (bad !== undefined) throw recordError(where, "data-nan", "finite f32 numbers", String(bad));
    this.#layout ??= layout;
    return row;
  }
}

/** The one feature of bytes that is a PNG or JPEG, or as many bytes as height, width and depth (or channels) say. */
function imageOf(
  example: Example,
): { readonly bytes: Uint8Array; readonly shape?: readonly number[] } | undefined {
  const size = (...names: string[]) => {
    const feature = names.map((name) => example.get(name) ?? example.get(`image/${name}`)).find(Boolean);
    return feature?.kind === "int64" ? feature.values[0] : undefined;
  };
  const [height, width] = [size("height"), size("width")];
  const channels = size("depth", "channels") ?? 1;
  for (const feature of example.values()) {
    if (feature.kind !== "bytes" || feature.values.length !== 1) continue;
    const bytes = feature.values[0]!;
    if (imageKind(bytes)) return { bytes };
    if (height !== undefined && width !== undefined && bytes.length === height * width * channels) {
      return { bytes, shape: [height, width, channels] };
    }
  }
  return undefined;
}

interface RawRecord {
  readonly data: Uint8Array;
  /** Has the checksum behind it. */
  readonly isWhole: boolean;
}

/**
 * All records. @throws SltrainError "data-truncated", or "data-damaged" for a damaged length, behind which nothing can be
 * found, naming file and record
 */
async function* records(content: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<RawRecord> {
  let rest = Buffer.alloc(0);
  let record = 0;
  for await (const chunk of content) {
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= HEADER_BYTES) {
      const head = rest.subarray(at, at + HEADER_BYTES);
      const length = lengthOf(head);
      const where = `${path}: record ${record}`;
      if (length === undefined)
        throw recordError(where, "data-damaged", "a length with its checksum", head.toString("hex"));
      const end = at + HEADER_BYTES + length;
      if (rest.length < end + FOOTER_BYTES) break;
      const data = rest.subarray(at + HEADER_BYTES, end);
      yield { data, isWhole: rest.readUInt32LE(end) === maskedCrc(data) };
      record++;
      at = end + FOOTER_BYTES;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0 || record === 0) {
    const got =
      record === 0 && rest.length === 0 ? "an empty file" : `${rest.length} bytes and the end of the file`;
    throw recordError(`${path}: record ${record}`, "data-truncated", "a whole record", got);
  }
}

/** Of the record that begins here; undefined if its checksum is another one. */
function lengthOf(head: Uint8Array): number | undefined {
  const view = new DataView(head.buffer, head.byteOffset, HEADER_BYTES);
  if (view.getUint32(8, true) !== maskedCrc(head.subarray(0, 8))) return undefined;
  const length = Number(view.getBigUint64(0, true));
  return length <= MAX_RECORD_BYTES ? length : undefined;
}

/** As TFRecord stores checksums, so that one of data that holds checksums is none of these. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

function sizeInVain(path: string): SltrainError {
  return new SltrainError({
    code: "data-options",
    message: `${path}: expected no --image-size for records of numbers, got one`,
    suggestions: ["Leave it out: it would change nothing."],
  });
}

function describe({ kind, values }: Feature): string {
  return `${values.length} ${kind} value${values.length === 1 ? "" : "s"}`;
}

function recordError(
  where: string,
  code: string,
  expected: string,
  got: string,
  cause?: unknown,
  suggestions: readonly string[] = [
    "Write or fetch the file again, or leave such records out: --on-bad-record skip",
  ],
): SltrainError {
  return new SltrainError({
    code,
    message: `${where}: expected ${expected}, got ${got}`,
    cause,
    suggestions,
  });
}
