// Another implementation in a process of its own, asked line by line: a line of JSON in, a line of JSON out. It stays
// alive between questions, so that measurements can alternate with ours and a drifting machine hits both.

import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { SltrainError } from "../../src/errors.ts";

export interface PeerOptions {
  /** For messages: "tfjs", "torch". */
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** What to do where it does not start. */
  readonly suggestion: string;
}

export class PeerProcess {
  readonly #name: string;
  readonly #suggestion: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string, undefined>;
  /** All that it printed is read then. */
  readonly #closed: Promise<void>;
  #log = "";
  #failure: Error | undefined;

  constructor({ name, command: [file, ...args], env = {}, suggestion }: PeerOptions) {
    this.#name = name;
    this.#suggestion = suggestion;
    this.#child = spawn(file, args, { stdio: "pipe", env: { ...process.env, ...env } });
    this.#child.on("error", (error) => (this.#failure = error));
    // A peer that has ended is noticed by the answer that is missing.
    this.#child.stdin.on("error", (error) => (this.#failure ??= error));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#log += text));
    this.#closed = new Promise((resolve) => this.#child.once("close", () => resolve()));
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line of its output. Throws "bench-peer-failed" with the peer's last words if it has ended. */
  async read<T>(): Promise<T> {
    const line = await this.#answers.next();
    if (line.done !== true) return JSON.parse(line.value) as T;
    await this.#closed;
    const log = this.#log.trim().split("\n");
    const lastWords = this.#failure?.message ?? log.findLast((text) => text.includes("Error")) ?? log.at(-1);
    throw new SltrainError({
      code: "bench-peer-failed",
      message: `the ${this.#name} peer ended instead of answering: ${lastWords ?? ""}`,
      suggestions: [this.#suggestion],
    });
  }

  ask<T>(question: object): Promise<T> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    return this.read<T>();
  }

  close(): void {
    this.#child.stdin.end();
  }
}

/** A script beside this file, wherever the benches were built to. */
export function peerScript(name: string): string {
  return new URL(name, import.meta.url).pathname;
}
