// Remembers what was measured of this machine and engine, from process to process, in a folder that
// SLTRAIN_AUTOTUNE_CACHE names; without it nothing is remembered. Only for choices among kernels of equal bits: whether
// an answer is remembered must not change a result. A file that is damaged or cannot be written is ignored with a warning.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";

export interface Question<A> {
  readonly name: string;
  /** What an answer depends on besides the question; if left out, processor and engine. */
  readonly machine?: string;
  /** Whether a remembered value is an answer. */
  readonly isAnswer: (value: unknown) => value is A;
  readonly measure: () => Promise<A>;
}

function machineText(): string {
  const { node, v8 } = process.versions;
  return [cpus()[0]?.model ?? "unknown", process.arch, node, v8].join(" ");
}

/** The remembered answer, or a new one, which is then remembered. Throws what `measure` throws. */
export async function remembered<A>(
  { name, machine = machineText(), isAnswer, measure }: Question<A>,
  folder = process.env["SLTRAIN_AUTOTUNE_CACHE"] ?? "",
): Promise<A> {
  if (folder === "") return measure();
  const path = join(folder, `${name}-${crc32(machine).toString(16).padStart(8, "0")}.json`);
  const known = attempt(path, () => readAnswer(path, machine));
  if (isAnswer(known)) return known;
  const answer = await measure();
  attempt(path, () => writeAnswer(path, machine, answer));
  return answer;
}

/** Undefined if there is none, or it is another machine's. */
function readAnswer(path: string, machine: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const stored = JSON.parse(text) as { machine?: unknown; answer?: unknown; crc32?: unknown } | null;
  if (stored === null || stored.crc32 !== checksum(stored.machine, stored.answer))
    throw new Error("its checksum is wrong");
  return stored.machine === machine ? stored.answer : undefined;
}

/** Another process sees the old file or the whole new one. */
function writeAnswer(path: string, machine: string, answer: unknown): void {
  const folder = dirname(path);
  // Not recursive: Node's recursive mkdir never returns where the kernel refuses it with ENOENT (under /proc).
  if (!existsSync(folder)) mkdirSync(folder);
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify({ machine, answer, crc32: checksum(machine, answer) })}\n`);
  renameSync(temporary, path);
}

function checksum(machine: unknown, answer: unknown): number {
  return crc32(JSON.stringify([machine, answer]));
}

function attempt<R>(path: string, access: () => R): R | undefined {
  try {
    return access();
  } catch (error) {
    process.emitWarning(`${path} is ignored: ${(error as Error).message}`, {
      code: "autotune-cache-ignored",
    });
    return undefined;
  }
}
