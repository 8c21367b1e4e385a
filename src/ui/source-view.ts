// How rows are shown on their way into storage, through it, or out of it: one line that follows it on a terminal; a line now and then in a log; JSON lines
// for programs, on stderr, for stdout has the result alone.

import { createLogUpdate } from "log-update";
import { paced } from "../coordinator/pace.ts";
import type { OnProgress } from "../data/progress.ts";
import { paceText } from "./pace-text.ts";
import { cutTo, terminalWidth } from "./table.ts";

export const LIVE_INTERVAL_MS = 100;
export const JSON_INTERVAL_MS = 1000;
export const LOG_INTERVAL_MS = 10_000;

export interface SourceView {
  readonly progress: OnProgress;
  /** Takes the line away. */
  end(): void;
}

export function sourceView(json: boolean, stream: NodeJS.WriteStream): SourceView {
  const print = (line: string) => void stream.write(`${line}\n`);
  const end = () => undefined;
  if (json) {
    const tell = paced((progress) => {
      print(JSON.stringify({ event: "data.progress", ...progress }));
    }, JSON_INTERVAL_MS);
    return { progress: tell, end };
  }
  if (!stream.isTTY) {
    return { progress: paced((progress) => print(paceText(progress)), LOG_INTERVAL_MS), end };
  }
  const update = createLogUpdate(stream);
  const progress = paced((told) => {
    update(cutTo(paceText(told), terminalWidth(stream)));
  }, LIVE_INTERVAL_MS);
  return { progress, end: () => update.clear() };
}
