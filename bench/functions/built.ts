// Where the build has left a module. What is started again and again runs as it is delivered: to strip types costs Node
// 0.2 s a process.

import { join } from "node:path";
import { functionFolder } from "../../src/providers/function-bundle.ts";

/** Of `src/a/b.ts` by that name. */
export function built(source: string): string {
  return join(functionFolder, "..", source.replace(/\.ts$/, ".js"));
}
