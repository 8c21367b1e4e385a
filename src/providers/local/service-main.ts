// The local service as a process of its own. Its standard input has its options as JSON; when it listens, it prints one
// line of JSON (ServiceAddress). It ends when it has nothing to do, or by a signal.

import { readFileSync } from "node:fs";
import { CONTROL_TOKEN_VARIABLE } from "./control-api.ts";
import { startLambdaService, type ServiceOptions } from "./service.ts";
import type { ServiceAddress } from "./service-process.ts";

const options = JSON.parse(readFileSync(0, "utf8")) as ServiceOptions;
const controlToken = process.env[CONTROL_TOKEN_VARIABLE];
// Functions get the rest of this environment.
Reflect.deleteProperty(process.env, CONTROL_TOKEN_VARIABLE);
const service = await startLambdaService({ ...options, controlToken });
console.log(JSON.stringify({ endpoint: service.endpoint } satisfies ServiceAddress));
const signalled = new Promise((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, resolve);
});
await Promise.race([service.idle, signalled]);
await service.close();
