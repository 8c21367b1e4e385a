// Functions as plain processes, one for each event.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { functionFolder } from "../../src/providers/function-bundle.ts";
import type { WorkerEvent } from "../../src/run/records.ts";
import { built } from "./built.ts";

const PROCESS = built("bench/functions/plain-function.ts");
const BUNDLE = join(functionFolder, "handler.mjs");

/** Resolves once it has returned. */
export async function callPlainly(event: WorkerEvent): Promise<void> {
  const child = spawn(process.execPath, [PROCESS, BUNDLE, JSON.stringify(event)], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`plain function: expected exit code 0, got ${code}`);
}
