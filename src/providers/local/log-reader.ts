// The lines of all log streams of a function in the order of time, each with the invocation that printed it.

import { existsSync, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogLine, LogQuery } from "../../coordinator/provider.ts";

const FOLLOW_PAUSE_MS = 200;
const TIMED = /^(\d{4}-\d\d-\d\dT[\d:.]+Z)\t(.*)$/s;
const START = /^START RequestId: (\S+)/;

/** All streams of all functions below `folder`. */
export async function* readLogs(folder: string, query: LogQuery): AsyncGenerator<LogLine> {
  const { since, requestIds, follow } = query;
  const streams = new Map<string, StreamReader>();
  const wanted = ({ at, requestId }: LogLine): boolean =>
    new Date(at) >= since && (!requestIds || (requestId !== undefined && requestIds.includes(requestId)));
  do {
    for (const name of streamNames(folder)) {
      if (!streams.has(name)) streams.set(name, new StreamReader(join(folder, name)));
    }
    const lines = (await Promise.all([...streams.values()].map((stream) => stream.read()))).flat();
    yield* lines.filter(wanted).sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    if (follow) await sleep(FOLLOW_PAUSE_MS, undefined, { signal: follow }).catch(() => undefined);
  } while (follow && !follow.aborted);
}

function streamNames(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".log"));
}

/** What has come since the last look. What a crash prints has no time: that of the line before. */
class StreamReader {
  readonly #path: string;
  readonly #decoder = new TextDecoder();
  #readBytes = 0;
  #rest = "";
  #at = new Date(0).toISOString();
  #requestId: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<LogLine[]> {
    await using file = await open(this.#path);
    const { size } = await file.stat();
    const bytes = new Uint8Array(size - this.#readBytes);
    await file.read(bytes, 0, bytes.length, this.#readBytes);
    this.#readBytes = size;
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop()!;
    return lines.map((line) => this.#line(line));
  }

  #line(line: string): LogLine {
    const [, at, text = line] = TIMED.exec(line) ?? [];
    if (at !== undefined) this.#at = at;
    const started = START.exec(text)?.[1];
    if (started !== undefined) this.#requestId = started;
    return { at: this.#at, text, ...(this.#requestId === undefined ? {} : { requestId: this.#requestId }) };
  }
}
