// Threads that an import has its work done on: they hash files, parse text, decode images, sort rows and pack blocks, while the thread
// that reads takes in what they made, in its order. Nothing of a result depends on how many there are.

import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { type Transferable, Worker } from "node:worker_threads";
import { SltrainError } from "../../errors.ts";
import type { BlockRows } from "../block.ts";
import { partsOf } from "../feature-rows.ts";
import type { ImageTask } from "../formats/fit-image.ts";
import type { ParserPlan } from "../formats/record-parsers.ts";
import type { Image } from "../formats/resize.ts";
import type { ParseOptions, ReturnedWindow } from "../formats/text-records.ts";
import type { TextWindow } from "../formats/text-windows.ts";
import type { PackedBlock, PackPlan } from "../import/pack-block.ts";
import type { KeyedRows } from "../import/spill-file.ts";
import type { RowBlock } from "../rows.ts";
import { BlockMemory } from "./block-memory.ts";
import type { Answer, TaskKind, TaskMessage, Tasks } from "./tasks.ts";

/** What one thread reads and takes in, no more can parse. */
const MAX_THREADS = 4;
/** Less is parsed in the time that threads take to start. */
const LEAST_BYTES = 8 * 2 ** 20;
/** Objects that live for a window only: a smaller one is emptied more often, and takes less memory. */
const YOUNG_GENERATION_MIB = 4;

/** A block's large arrays. */
const SPARES_PER_WINDOW = 3;

interface Waiting {
  readonly resolve: (output: never) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** Tasks that are not answered yet, the oldest first. */
  readonly waiting: Waiting[];
}

/** Threads for a source of `sizeBytes`; undefined where they would not pay. */
export function threadsFor(sizeBytes: number): ImportThreads | undefined {
  const count = Math.min(MAX_THREADS, availableParallelism());
  return sizeBytes < LEAST_BYTES || count < 2 ? undefined : new ImportThreads(count);
}

/** They start when they are first asked for something. */
export class ImportThreads {
  readonly count: number;
  #started: readonly Thread[] | undefined;
  readonly #memory = new BlockMemory();
  #parsers = 0;

  constructor(count: number) {
    this.count = count;
  }

  get #threads(): readonly Thread[] {
    return (this.#started ??= Array.from({ length: this.count }, startThread));
  }

  /** Has all threads make the same parser. Returns its number. */
  open(plan: ParserPlan): number {
    const parser = this.#parsers++;
    // Whoever lost its thread hears it from the next task.
    for (const thread of this.#threads)
      send(thread, { kind: "open", input: { parser, plan } }).catch(() => undefined);
    return parser;
  }

  /** The window's memory goes to the thread and comes back. @throws what is no fault of the text */
  async parse(parser: number, window: TextWindow, options: ParseOptions): Promise<ReturnedWindow<unknown>> {
    const spares = this.#memory.take(SPARES_PER_WINDOW);
    const input = { ...options, parser, window, spares };
    const result = await this.#send({ kind: "parse", input }, [window.bytes.buffer, ...spares]);
    const { block } = result.parsed;
    if (!block) return result;
    const release = () => this.#memory.giveBack(buffersOf(block));
    return { ...result, parsed: { ...result.parsed, block: { ...block, release } } };
  }

  /** As `sortRows` here. The rows' memory goes to the thread. */
  sort(rows: readonly KeyedRows[], denseWidth: number | undefined): Promise<RowBlock> {
    const given = rows.flatMap(({ keys, block }) => [keys.buffer as ArrayBuffer, ...buffersOf(block)]);
    return this.#send({ kind: "sort", input: { rows, denseWidth } }, given);
  }

  /** The rows' memory goes to the thread. */
  pack(rows: BlockRows, count: number, plan: PackPlan): Promise<PackedBlock> {
    return this.#send({ kind: "pack", input: { rows, count, plan } }, buffersOf(rows));
  }

  /** The sha256 of bytes [begin, end) of a file, in hex. @throws as node:fs */
  hash(path: string, begin: number, end: number): Promise<string> {
    return this.#send({ kind: "hash", input: { path, begin, end } }, []);
  }

  /** As `fitImage` here. The bytes go to the thread. */
  async fitImage(task: ImageTask): Promise<Image> {
    // A view of a larger buffer would take that along.
    const isWhole = task.bytes.byteLength === task.bytes.buffer.byteLength;
    const bytes = isWhole ? task.bytes : Uint8Array.from(task.bytes);
    const answer = await this.#send({ kind: "image", input: { ...task, bytes } }, [
      bytes.buffer as ArrayBuffer,
    ]);
    if ("refused" in answer) throw new SltrainError(answer.refused);
    return answer.image;
  }

  /** Ends the threads, also amid their work. */
  async close(): Promise<void> {
    await Promise.all((this.#started ?? []).map(({ worker }) => worker.terminate()));
  }

  #send<Message extends TaskMessage>(
    message: Message,
    transfer: readonly Transferable[],
  ): Promise<Tasks[Message["kind"]]["output"]> {
    const free = this.#threads.reduce((a, b) => (b.waiting.length < a.waiting.length ? b : a));
    return send(free, message, transfer);
  }
}

function buffersOf({ labels, features }: BlockRows | RowBlock): ArrayBuffer[] {
  return [labels, ...partsOf(features)].map(({ buffer }) => buffer as ArrayBuffer);
}

function send<Kind extends TaskKind>(
  { worker, waiting }: Thread,
  message: TaskMessage & { readonly kind: Kind },
  transfer: readonly Transferable[] = [],
): Promise<Tasks[Kind]["output"]> {
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    worker.postMessage(message, transfer);
  });
}

function startThread(): Thread {
  // Beside this file as a source and as built.
  const entry = new URL(`./import-thread${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(entry, {
    name: "sltrain-import",
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
  });
  const waiting: Waiting[] = [];
  worker.on("message", (answer: Answer) => {
    const { resolve, reject } = waiting.shift()!;
    if ("error" in answer) reject(answer.error);
    else resolve(answer.output as never);
  });
  const lose = (cause?: unknown): void => {
    for (const { reject } of waiting.splice(0)) reject(threadLost(cause));
  };
  worker.once("error", lose);
  worker.once("exit", () => lose());
  return { worker, waiting };
}

function threadLost(cause: unknown): SltrainError {
  return new SltrainError({
    code: "thread-lost",
    message: "data import: a thread ended amid its work",
    suggestions: ["Free some memory, and import again."],
    ...(cause === undefined ? {} : { cause }),
  });
}
