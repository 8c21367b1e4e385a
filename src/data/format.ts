// A file format: how its content is recognised, and how its rows are read as a stream.

import type { SourceRows } from "./rows.ts";

/** A file whose content is read as it is needed. What lies in it compressed (gzip, zstd) comes decompressed. */
export interface ContentFile {
  readonly path: string;
  /** On disk. */
  readonly sizeBytes: number;
  /** The first bytes of the content, 64 KiB or all of it. */
  readonly head: Uint8Array;
  /** The content from its beginning, at every call; a chunk is valid until the next one. */
  content(): AsyncIterable<Uint8Array>;
  /** All of the content at once, for formats that need it. @throws SltrainError "data-too-large" beyond `limitBytes` */
  bytes(limitBytes: number): Promise<Uint8Array>;
}

/** What labels mean: a number of a class, or what a regression is to come to. */
export type LabelKind = "classes" | "targets";

/** How the user wants files to be read; a format takes what concerns it. */
export interface ReadOptions {
  /** What becomes of a record that cannot be read: the end of the import, or nothing but a count. */
  readonly onBadRecord: "fail" | "skip";
  /** Of tables: the label's column, by name or by its number from 0. Default: by the rules of csv.ts. */
  readonly labelColumn?: string | undefined;
  /** Default: what the labels look like (labels.ts). */
  readonly labelKind?: LabelKind | undefined;
  /** Of tables: text columns are hashed into 2^hashBits sparse features; without it they are refused. */
  readonly hashBits?: number | undefined;
  /** Of images: height and width that each is resized to; without it all must be of one size. */
  readonly imageSize?: readonly [height: number, width: number] | undefined;
  /** Of text: tokens in a row, beside the one that the last of them predicts. */
  readonly contextLength?: number | undefined;
}

export type ReadOption = keyof ReadOptions;

/** What opens a format's rows is also told. */
export interface OpenFormat extends ReadOptions {
  /** Told how many bytes on disk have been read, piece by piece. */
  readonly onBytes?: OnBytes | undefined;
}

/** Told the size of each piece of a file that has been read. */
export type OnBytes = (bytes: number) => void;

export interface Format {
  /** `libsvm`; also what `--format` takes. */
  readonly name: string;
  /** For people: what files these are. */
  readonly description: string;
  /** Whether content that begins so is of this format; the file's name may break a tie only. */
  matches(head: Uint8Array, fileName: string): boolean;
  /** The options that mean something here; "onBadRecord": a record can be left out. Others are refused. */
  readonly takes: readonly ReadOption[];
  /** How often the file is read from begin to end. Default: once. */
  readonly passes?: number;
  /** @throws SltrainError "data-*" naming the file. */
  open(file: ContentFile, options: OpenFormat): SourceRows | Promise<SourceRows>;
  /** Other files that the rows depend on (labels beside images): what recognises the source hashes them too. */
  companions?(path: string, options: ReadOptions): Promise<readonly string[]>;
}

/** A folder that is one data set: images by class, or files of a known naming. */
export interface FolderFormat {
  readonly name: string;
  readonly description: string;
  /** Whether a folder that directly holds `entries` is of this format; names of folders end in a slash. */
  matches(entries: readonly string[]): boolean;
  /** As of `Format`. */
  readonly takes: readonly ReadOption[];
  /** @throws SltrainError "data-*" naming the folder and the file. */
  open(folder: string, options: OpenFormat): SourceRows | Promise<SourceRows>;
}
