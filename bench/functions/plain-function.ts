// A function without anything around it: calls the handler of the bundle argv[2] once, with argv[3] as its event, in a
// process that has all the time there is. What a service of functions costs is what it takes beyond this.

import { enableCompileCache } from "node:module";
import { pathToFileURL } from "node:url";

type Handler = (event: unknown, context: object) => Promise<unknown>;

const LIFE_MS = 15 * 60_000;

// As the local service's runtime does.
enableCompileCache();
const { handler } = (await import(pathToFileURL(process.argv[2]!).href)) as { handler: Handler };
await handler(JSON.parse(process.argv[3]!), {
  awsRequestId: `plain-${process.pid}`,
  memoryLimitInMB: process.env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] ?? "1769",
  getRemainingTimeInMillis: () => LIFE_MS - performance.now(),
});
