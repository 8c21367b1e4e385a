// What a thread of an import is asked for, and how it answers.

import type { ErrorRecord } from "../../errors.ts";
import type { BlockRows } from "../block.ts";
import type { ImageTask } from "../formats/fit-image.ts";
import type { ParserPlan } from "../formats/record-parsers.ts";
import type { Image } from "../formats/resize.ts";
import type { ParseOptions, ReturnedWindow } from "../formats/text-records.ts";
import type { TextWindow } from "../formats/text-windows.ts";
import type { PackedBlock, PackPlan } from "../import/pack-block.ts";
import type { KeyedRows } from "../import/spill-file.ts";
import type { RowBlock } from "../rows.ts";

/** An error of the image's is told as data: threads would strip it of its code. */
export type ImageAnswer = { readonly image: Image } | { readonly refused: ErrorRecord };

/** By kind: what goes to the thread, and what comes back. */
export interface Tasks {
  /** A parser for the tasks that name it. */
  open: { readonly input: { readonly parser: number; readonly plan: ParserPlan }; readonly output: null };
  parse: {
    readonly input: ParseOptions & {
      readonly parser: number;
      readonly window: TextWindow;
      /** Of blocks that were given back. */
      readonly spares: readonly ArrayBuffer[];
    };
    readonly output: ReturnedWindow<unknown>;
  };
  image: { readonly input: ImageTask; readonly output: ImageAnswer };
  /** Rows by their keys, as `sortRows` does it. */
  sort: {
    readonly input: { readonly rows: readonly KeyedRows[]; readonly denseWidth: number | undefined };
    readonly output: RowBlock;
  };
  pack: {
    readonly input: { readonly rows: BlockRows; readonly count: number; readonly plan: PackPlan };
    readonly output: PackedBlock;
  };
  /** The sha256 of bytes [begin, end) of a file, in hex. */
  hash: {
    readonly input: { readonly path: string; readonly begin: number; readonly end: number };
    readonly output: string;
  };
}

export type TaskKind = keyof Tasks;

export type TaskMessage = {
  [Kind in TaskKind]: { readonly kind: Kind; readonly input: Tasks[Kind]["input"] };
}[TaskKind];

/** Answers come in the order of the tasks. */
export type Answer = { readonly output: Tasks[TaskKind]["output"] } | { readonly error: unknown };
