// What becomes of rows on their way into storage, through it, or out of it, told now and then to whoever asked.

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
  | { readonly phase: "writing"; readonly rows: number; readonly totalRows: number }
  /** Of a transformation: rows are measured for a step, or mapped by all. */
  | {
      readonly phase: "measuring" | "mapping";
      /** As the user wrote it; of `measuring`. */
      readonly step?: string;
      readonly rows: number;
      readonly totalRows: number;
      /** That have something left to do, where functions do it. */
      readonly functions?: number;
    };

export type OnProgress = (progress: DataProgress) => void;
