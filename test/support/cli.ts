// Runs sltrain as a user does: its own process, in a folder of its own.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const BIN = fileURLToPath(new URL("../../bin/run.js", import.meta.url));

export type JsonEvent = Readonly<Record<string, unknown>> & { readonly event: string };

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** A folder that is removed when the returned function is called. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "sltrain-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

type Environment = Readonly<Record<string, string>>;

/** `env`: over this process's own. */
export function startSltrain(args: readonly string[], cwd: string, env: Environment = {}): Running {
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = (async () => {
    const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { code: await exit, stdout, stderr };
  })();
  return { child, ended };
}

export function sltrain(args: readonly string[], cwd: string, env?: Environment): Promise<Ended> {
  return startSltrain(args, cwd, env).ended;
}

/** The JSON lines of a command's output. */
export function eventsOf({ stdout }: Ended): JsonEvent[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as JsonEvent);
}

export function lastEvent(ended: Ended): JsonEvent {
  const event = eventsOf(ended).at(-1);
  assert.ok(event, `no output; stderr: ${ended.stderr}`);
  return event;
}
