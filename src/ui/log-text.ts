// One line of a function's log, for people: who printed it, and what.

import { styleText } from "node:util";
import type { RunLogLine } from "../coordinator/run-logs.ts";

export function logText({ owner, text }: RunLogLine): string {
  return `${styleText("dim", who(owner).padEnd(11))}${text}`;
}

/** "3.1": generation 1 of rank 3. */
function who(owner: RunLogLine["owner"]): string {
  if (owner === undefined) return "-";
  return owner.rank === undefined ? "starter" : `${owner.rank}.${owner.generation}`;
}
