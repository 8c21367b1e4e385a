// The part of Lambda's API that sltrain's clients use, over the pool and the queue:
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html and its neighbours. Signatures are not checked: who
// reaches this machine's loopback and knows a function's name may invoke it.

import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { answerJson, type Call, route, type Route } from "../../http-routes.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Faults } from "./faults.ts";
import { functionArn, type FunctionRegistry, type FunctionSpec } from "./function-spec.ts";
import type { Invocation } from "./invocation.ts";
import { LambdaError } from "./lambda-error.ts";
import { MAX_EVENT_BYTES, MAX_SYNC_BYTES } from "./payload-limits.ts";
import type { SandboxPool } from "./sandbox-pool.ts";

export interface InvokeApiOptions {
  readonly registry: FunctionRegistry;
  readonly pool: SandboxPool;
  readonly queue: EventQueue;
  readonly faults: Faults;
  readonly accountConcurrency: number;
  readonly region: string | undefined;
}

const FUNCTIONS = "/2015-03-31/functions/:name";
/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: of code and of its zip. */
const CODE_BYTES = {
  TotalCodeSize: 80_530_636_800,
  CodeSizeUnzipped: 262_144_000,
  CodeSizeZipped: 52_428_800,
};

export function invokeRoutes(options: InvokeApiOptions): Route[] {
  return [
    route("POST", `${FUNCTIONS}/invocations`, (call) => invoke(options, call)),
    route("GET", `${FUNCTIONS}/configuration`, (call) =>
      answerJson(call.response, configuration(options, specOf(options, call))),
    ),
    route("GET", FUNCTIONS, (call) => getFunction(options, call)),
    route("GET", "/2016-08-19/account-settings", (call) => accountSettings(options, call)),
  ];
}

async function invoke(options: InvokeApiOptions, call: Call): Promise<void> {
  const { pool, queue, faults } = options;
  const { request, response } = call;
  const type = header(request, "x-amz-invocation-type") ?? "RequestResponse";
  const payload = await readPayload(request, type);
  // Found after its body was read: the client hears no answer before it has sent all.
  const spec = specOf(options, call);
  const invocation: Invocation = { requestId: randomUUID(), payload };
  response.setHeader("x-amzn-RequestId", invocation.requestId);
  if (type === "DryRun") {
    response.writeHead(204).end();
    return;
  }
  if (faults.isThrottling) throw throttled("ConcurrentInvocationLimitExceeded");
  if (type === "Event") {
    // What has to wait for a free place waits in the queue; what will never have one is refused at once.
    if (spec.reservedConcurrency === 0) throw throttled("ReservedFunctionConcurrentInvocationLimitExceeded");
    queue.push(spec, invocation);
    response.writeHead(202, { "content-length": 0 }).end();
    return;
  }
  const refusal = pool.refusal(spec);
  if (refusal !== undefined) throw throttled(refusal);
  const outcome = await pool.invoke(spec, invocation);
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": outcome.payload.byteLength,
    "X-Amz-Executed-Version": "$LATEST",
    ...(outcome.errorType === undefined ? {} : { "X-Amz-Function-Error": "Unhandled" }),
    ...(header(request, "x-amz-log-type") === "Tail"
      ? { "X-Amz-Log-Result": Buffer.from(outcome.logTail).toString("base64") }
      : {}),
  });
  response.end(outcome.payload);
}

/** Throws RequestTooLargeException or InvalidRequestContentException. */
async function readPayload(request: IncomingMessage, type: string): Promise<Uint8Array> {
  const mostBytes = type === "Event" ? MAX_EVENT_BYTES : MAX_SYNC_BYTES;
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of request as AsyncIterable<Uint8Array>) {
    sizeBytes += part.byteLength;
    if (sizeBytes <= mostBytes) parts.push(part);
  }
  if (sizeBytes > mostBytes) {
    throw new LambdaError(413, "RequestTooLargeException", {
      message: `${sizeBytes} byte payload is too large for the ${type} invocation type (limit ${mostBytes} bytes)`,
    });
  }
  const payload = Buffer.concat(parts);
  try {
    if (payload.byteLength > 0) JSON.parse(payload.toString());
  } catch (error) {
    throw new LambdaError(400, "InvalidRequestContentException", {
      message: `Could not parse request body into json: ${(error as Error).message}`,
    });
  }
  return payload;
}

function specOf({ registry, region }: InvokeApiOptions, { path }: Call): FunctionSpec {
  const spec = registry.find(path.name!);
  if (spec !== undefined) return spec;
  throw new LambdaError(404, "ResourceNotFoundException", {
    Message: `Function not found: ${functionArn(region, path.name!)}`,
  });
}

function throttled(Reason: string): LambdaError {
  return new LambdaError(429, "TooManyRequestsException", { Reason, message: "Rate Exceeded." });
}

/** https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html */
function configuration({ region }: InvokeApiOptions, spec: FunctionSpec): object {
  return {
    FunctionName: spec.name,
    FunctionArn: functionArn(region, spec.name),
    Runtime: "nodejs24.x",
    Handler: spec.handler,
    MemorySize: spec.memoryMiB,
    Timeout: spec.timeoutS,
    PackageType: "Zip",
    Version: "$LATEST",
    State: "Active",
    LastUpdateStatus: "Successful",
    Architectures: [process.arch === "arm64" ? "arm64" : "x86_64"],
  };
}

function getFunction(options: InvokeApiOptions, call: Call): void {
  const spec = specOf(options, call);
  const { reservedConcurrency } = spec;
  answerJson(call.response, {
    Configuration: configuration(options, spec),
    ...(reservedConcurrency === undefined
      ? {}
      : { Concurrency: { ReservedConcurrentExecutions: reservedConcurrency } }),
  });
}

/** https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html */
function accountSettings({ registry, accountConcurrency }: InvokeApiOptions, { response }: Call): void {
  const specs = registry.all();
  const reserved = specs.reduce((sum, spec) => sum + (spec.reservedConcurrency ?? 0), 0);
  answerJson(response, {
    AccountLimit: {
      ...CODE_BYTES,
      ConcurrentExecutions: accountConcurrency,
      UnreservedConcurrentExecutions: accountConcurrency - reserved,
    },
    AccountUsage: { FunctionCount: specs.length, TotalCodeSize: 0 },
  });
}

function header(request: IncomingMessage, name: string): string | undefined {
  return request.headers[name] as string | undefined;
}
