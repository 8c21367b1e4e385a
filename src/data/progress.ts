// What becomes of a source on its way into storage, told now and then to whoever asked.

export type DataProgress =
  | {
      readonly phase: "fetching";
      /** The file's name, and how much of it there is. */
      readonly file: string;
      readonly bytes: number;
      /** Null where the server does not say. */
      readonly totalBytes: number | null;
      /** Bytes that an earlier attempt had left, or that lay there when the connection broke; 0 from the beginning. */
      readonly resumedFromBytes: number;
    }
  /** The files are hashed: storage may have what they hold. */
  | { readonly phase: "recognising"; readonly bytes: number; readonly totalBytes: number }
  /** Bytes on disk, compressed where the files are; none where rows are made. */
  | { readonly phase: "reading"; readonly rows: number; readonly bytes: number; readonly totalBytes: number }
  | { readonly phase: "writing"; readonly rows: number; readonly totalRows: number };

export type OnProgress = (progress: DataProgress) => void;
