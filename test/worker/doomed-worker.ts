// A worker in a process of its own that is killed at one put: by SIGKILL, right before or after the object is there.
// Arguments: the event as JSON, `before` or `after`, and an expression for the object's path.

import fs from "node:fs";
import { handlerWith } from "../../src/worker/handler.ts";

const [event, when, pattern] = process.argv.slice(2) as [string, "before" | "after", string];
const fatal = new RegExp(pattern);
const die = (): void => void process.kill(process.pid, "SIGKILL");

// The driver of fs: calls them so.
for (const name of ["linkSync", "renameSync"] as const) {
  const put = fs[name];
  fs[name] = (from, to) => {
    const isFatal = fatal.test(String(to));
    if (isFatal && when === "before") die();
    put(from, to);
    if (isFatal) die();
  };
}

const startsNobody = { invoke: () => Promise.resolve(), close: () => Promise.resolve() };
await handlerWith(() => Promise.resolve(startsNobody))(JSON.parse(event), {
  ...{ awsRequestId: `doomed-${process.pid}`, memoryLimitInMB: "1769" },
  getRemainingTimeInMillis: () => 900_000,
});
throw new Error(`expected to be killed ${when} ${pattern}, but the run ended`);
