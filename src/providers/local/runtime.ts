// What Lambda's Node runtime does (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html): load the handler,
// then for ever: ask the Runtime API for an event, call the handler, answer. What is thrown where nobody catches ends the
// process, as in AWS's own client.

import { existsSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { enableCompileCache } from "node:module";
import { resolve } from "node:path";
import { buffer } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import { Agent, request } from "../../node-http.ts";

type Handler = (event: unknown, context: object) => unknown;

interface Answer {
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

// V8's code for the bundle is kept in the system's folder for temporary files: 5 ms less from the second start on.
enableCompileCache();
const { AWS_LAMBDA_RUNTIME_API: api, LAMBDA_TASK_ROOT: taskRoot, _HANDLER: handlerName } = process.env;
if (api === undefined || taskRoot === undefined || handlerName === undefined) {
  throw new Error("expected AWS_LAMBDA_RUNTIME_API, LAMBDA_TASK_ROOT and _HANDLER in the environment");
}
logAsLambda();
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let requestId: string | undefined;

const handler = await loadHandler(taskRoot, handlerName);
for (;;) {
  requestId = undefined;
  const { headers, body } = await call("GET", "invocation/next");
  requestId = headers["lambda-runtime-aws-request-id"] as string;
  try {
    const event: unknown = body.byteLength === 0 ? {} : JSON.parse(body.toString());
    const result = await handler(event, contextOf(requestId, headers));
    await post(`invocation/${requestId}/response`, result === undefined ? null : result);
  } catch (error) {
    console.error(error);
    await post(`invocation/${requestId}/error`, errorOf(error, "Error"));
  }
}

/** Throws "Runtime.ImportModuleError" or "Runtime.HandlerNotFound", after it has told the service. */
async function loadHandler(folder: string, name: string): Promise<Handler> {
  const dot = name.lastIndexOf(".");
  const base = resolve(folder, name.slice(0, dot));
  const file = [".js", ".mjs", ".cjs"].map((suffix) => base + suffix).find((path) => existsSync(path));
  const exported = name.slice(dot + 1);
  try {
    if (file === undefined) throw new Error(`cannot find ${base}.js, .mjs or .cjs`);
    const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
    const loaded = module[exported];
    if (typeof loaded === "function") return loaded as Handler;
  } catch (error) {
    throw await initFailed(error, "Runtime.ImportModuleError");
  }
  throw await initFailed(new Error(`${name} is undefined or not exported`), "Runtime.HandlerNotFound");
}

async function initFailed(error: unknown, errorType: string): Promise<unknown> {
  await post("init/error", { ...errorOf(error, errorType), errorType });
  return error;
}

/** `time<TAB>requestId<TAB>LEVEL<TAB>text`: https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html */
function logAsLambda(): void {
  const levels = { debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR" } as const;
  for (const [method, level] of Object.entries(levels)) {
    console[method as keyof typeof levels] = (...values: unknown[]) => {
      const head = [new Date().toISOString(), requestId ?? "undefined", level].join("\t");
      process.stdout.write(`${head}\t${format(...values)}\n`);
    };
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html */
function contextOf(awsRequestId: string, headers: Answer["headers"]): object {
  const deadlineMs = Number(headers["lambda-runtime-deadline-ms"]);
  return {
    awsRequestId,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env["AWS_LAMBDA_FUNCTION_NAME"],
    functionVersion: process.env["AWS_LAMBDA_FUNCTION_VERSION"],
    memoryLimitInMB: process.env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
    logGroupName: process.env["AWS_LAMBDA_LOG_GROUP_NAME"],
    logStreamName: process.env["AWS_LAMBDA_LOG_STREAM_NAME"],
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
  };
}

function errorOf(error: unknown, otherType: string): object {
  return error instanceof Error
    ? { errorType: error.name, errorMessage: error.message, trace: error.stack?.split("\n") ?? [] }
    : { errorType: otherType, errorMessage: String(error), trace: [] };
}

function post(path: string, value: unknown): Promise<Answer> {
  return call("POST", path, JSON.stringify(value));
}

function call(method: string, path: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = `http://${api!}/2018-06-01/runtime/${path}`;
    const headers =
      body === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = request(url, { method, agent, headers }, (response) => {
      buffer(response).then((bytes) => resolve({ headers: response.headers, body: bytes }), reject);
    });
    sent.once("error", reject);
    sent.end(body);
  });
}
