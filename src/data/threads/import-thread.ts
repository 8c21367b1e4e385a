// A thread of an import: answers one task after the other, and keeps nothing but its parsers.

import { parentPort, type Transferable } from "node:worker_threads";
import { makeParser } from "../formats/record-parsers.ts";
import { parseWindow, type RecordParser } from "../formats/text-records.ts";
import { partsOf } from "../feature-rows.ts";
import type { RowBlock } from "../rows.ts";
import type { Answer, TaskMessage } from "./tasks.ts";

const parsers = new Map<number, RecordParser<unknown>>();

parentPort!.on("message", (message: TaskMessage) => {
  let answer: Answer;
  let transfer: Transferable[] = [];
  try {
    [answer, transfer] = perform(message);
  } catch (error) {
    answer = { error };
  }
  parentPort!.postMessage(answer, transfer);
});

function perform(message: TaskMessage): [Answer, Transferable[]] {
  const { kind, input } = message;
  if (kind === "open") {
    parsers.set(input.parser, makeParser(input.plan));
    return [{ output: null }, []];
  }
  const { window } = input;
  const parsed = parseWindow(parsers.get(input.parser)!, window, input);
  return [{ output: { parsed, window } }, [window.bytes.buffer, ...buffersOf(parsed.block)]];
}

function buffersOf(block: RowBlock | undefined): Transferable[] {
  return block ? [block.labels, ...partsOf(block.features)].map(({ buffer }) => buffer as ArrayBuffer) : [];
}
