// A thread of an import: answers one task after the other, and keeps nothing but its parsers and a buffer for files.

import { parentPort, type Transferable } from "node:worker_threads";
import { errorRecord, SltrainError } from "../../errors.ts";
import { freeMemory, partsOf } from "../feature-rows.ts";
import { fitImage, type ImageTask } from "../formats/fit-image.ts";
import { makeParser } from "../formats/record-parsers.ts";
import { parseWindow, type RecordParser } from "../formats/text-records.ts";
import { packBlock } from "../import/pack-block.ts";
import { sortRows } from "../import/sort-rows.ts";
import { BlockMemory } from "./block-memory.ts";
import { hashPart } from "./hash-part.ts";
import type { Answer, ImageAnswer, TaskMessage } from "./tasks.ts";

const parsers = new Map<number, RecordParser<unknown>>();
const memory = new BlockMemory();

/** Answers go in the order of the tasks, also where one has to wait for a decoder to be loaded. */
let answered = Promise.resolve();

parentPort!.on("message", (message: TaskMessage) => {
  answered = answered.then(() => answer(message));
});

async function answer(message: TaskMessage): Promise<void> {
  const [told, transfer] = await perform(message).catch((error: unknown): Performed => [{ error }, []]);
  parentPort!.postMessage(told, transfer);
}

type Performed = [answer: Answer, transfer: Transferable[]];

async function perform({ kind, input }: TaskMessage): Promise<Performed> {
  switch (kind) {
    case "open":
      parsers.set(input.parser, makeParser(input.plan));
      return [{ output: null }, []];
    case "parse": {
      const { window } = input;
      memory.giveBack(input.spares);
      const parsed = parseWindow(parsers.get(input.parser)!, window, input, memory);
      const { block } = parsed;
      const made = block ? [block.labels, ...partsOf(block.features)] : [];
      return [
        { output: { parsed, window } },
        [window.bytes, ...made].map(({ buffer }) => buffer as ArrayBuffer),
      ];
    }
    case "image": {
      const output = await decoded(input);
      return [{ output }, "image" in output ? [output.image.pixels.buffer as ArrayBuffer] : []];
    }
    case "sort": {
      const { rows, denseWidth } = input;
      const output = sortRows(rows, denseWidth);
      for (const { keys, block } of rows) freeMemory([keys, block.labels, ...partsOf(block.features)]);
      return [{ output }, ownMemory([output.labels, ...partsOf(output.features)])];
    }
    case "pack": {
      const { rows, count, plan } = input;
      const output = packBlock(rows, count, plan);
      const made = ownMemory(output.block.parts);
      const given = [rows.labels, ...partsOf(rows.features)];
      freeMemory(given.filter(({ buffer }) => !made.includes(buffer as ArrayBuffer)));
      return [{ output }, made];
    }
    case "hash":
      return [{ output: hashPart(input.path, input.begin, input.end) }, []];
  }
}

async function decoded(task: ImageTask): Promise<ImageAnswer> {
  try {
    return { image: await fitImage(task) };
  } catch (error) {
    if (error instanceof SltrainError) return { refused: errorRecord(error, "") };
    throw error;
  }
}

/** What nothing else lies in: Node's small buffers share theirs. */
function ownMemory(arrays: readonly ArrayBufferView[]): Transferable[] {
  return arrays
    .filter(({ byteLength, buffer }) => byteLength === buffer.byteLength)
    .map(({ buffer }) => buffer as ArrayBuffer);
}
