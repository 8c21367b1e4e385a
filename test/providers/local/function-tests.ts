// What Lambda promises of functions, asked of the local service by AWS's own client, over any runtime.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  GetAccountSettingsCommand,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  type InvocationType,
  LambdaClient,
} from "@aws-sdk/client-lambda";
import type { FunctionSpec } from "../../../src/providers/local/function-spec.ts";
import { readLogs } from "../../../src/providers/local/log-reader.ts";
import { type LambdaService, startLambdaService } from "../../../src/providers/local/service.ts";
import { temporaryFolder } from "../../support/cli.ts";

const HANDLERS = fileURLToPath(new URL(".", import.meta.url));
const RETRY_DELAYS_MS = [10, 20];

/** A function of handlers.js, named like its handler unless `name` says otherwise. */
export function functionOf(handler: string, spec: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    ...{ name: handler, memoryMiB: 1769, timeoutS: 5, environment: {} },
    ...{ bundlePath: HANDLERS, handler: `handlers.${handler}` },
    ...spec,
  };
}

/** A client for a service; credentials are not looked at, but the SDK wants some. */
export function clientOf(endpoint: string): LambdaClient {
  return new LambdaClient({
    ...{ endpoint, region: "us-east-1", maxAttempts: 1 },
    credentials: { accessKeyId: "nobody", secretAccessKey: "nothing" },
  });
}

/** `runtime`: Node's arguments for a sandbox; undefined for the service's own. */
export function functionTests(name: string, runtime: readonly string[] | undefined): void {
  suite(`functions under ${name}`, () => {
    const folder = temporaryFolder();
    let service: LambdaService;
    let client: LambdaClient;
    before(async () => {
      service = await startLambdaService({
        ...{ port: 0, accountConcurrency: 20, logFolder: folder.path, retryDelaysMs: RETRY_DELAYS_MS },
        ...(runtime && { runtime }),
        functions: [
          functionOf("echo", { environment: { GREETING: "hello" } }),
          functionOf("environment", { environment: { GREETING: "hello" } }),
          ...["counts", "throws", "exits", "kills", "strays", "remaining", "answersWith"].map((each) =>
            functionOf(each),
          ),
          functionOf("fills", { memoryMiB: 512 }),
          functionOf("sleeps", { timeoutS: 1 }),
          functionOf("sleeps", { name: "alone", reservedConcurrency: 1 }),
          functionOf("missing"),
          functionOf("echo", { name: "nowhere", handler: "elsewhere.echo" }),
        ],
      });
      client = clientOf(service.endpoint);
    });
    after(async () => {
      client.destroy();
      await service.close();
      folder.remove();
    });

    const invoke = async (FunctionName: string, event: unknown, InvocationType?: InvocationType) => {
      const Payload = Buffer.from(JSON.stringify(event));
      const answer = await client.send(
        new InvokeCommand({
          ...{ FunctionName, Payload, LogType: "Tail" },
          ...(InvocationType && { InvocationType }),
        }),
      );
      const text = answer.Payload?.transformToString() ?? "";
      return {
        status: answer.StatusCode,
        error: answer.FunctionError,
        log: Buffer.from(answer.LogResult ?? "", "base64").toString(),
        body: (text === "" ? undefined : JSON.parse(text)) as Record<string, unknown>,
      };
    };
    const refusal = async (sent: Promise<unknown>): Promise<Record<string, unknown>> => {
      try {
        await sent;
      } catch (error) {
        const { name, message, Reason } = error as Error & { readonly Reason?: string };
        return { name, message, ...(Reason === undefined ? {} : { Reason }) };
      }
      throw new assert.AssertionError({ message: "expected a refusal" });
    };

    test("a handler gets the event and Lambda's context, and its process is used again", async () => {
      const first = await invoke("echo", { word: "one" });
      const second = await invoke("echo", { word: "two" });
      assert.deepEqual([first.status, first.error, first.body.event], [200, undefined, { word: "one" }]);
      assert.equal(first.body.pid, second.body.pid);
      assert.deepEqual([first.body.calls, second.body.calls], [1, 2]);
      const { functionName, memoryLimitInMB, awsRequestId } = second.body.context as Record<string, unknown>;
      assert.deepEqual(
        [functionName, memoryLimitInMB, awsRequestId],
        ["echo", "1769", second.body.requestId],
      );
    });

    test("the log has Lambda's lines, and only a cold start has an init duration", async () => {
      await invoke("echo", { word: "warm" });
      const { log, body } = await invoke("echo", { word: "logged" });
      const id = body.requestId as string;
      assert.match(log, new RegExp(`START RequestId: ${id} Version: \\$LATEST\\n`));
      assert.match(log, new RegExp(`${id}\tINFO\techo logged\\n`));
      assert.match(log, new RegExp(`END RequestId: ${id}\\n`));
      assert.match(
        log,
        new RegExp(
          `REPORT RequestId: ${id}\tDuration: [\\d.]+ ms\tBilled Duration: \\d+ ms\t` +
            `Memory Size: 1769 MB\tMax Memory Used: [1-9]\\d+ MB\\n`,
        ),
      );
      const { log: cold } = await invoke("throws", {});
      assert.match(cold, /\tInit Duration: [\d.]+ ms\tStatus: error\tError Type: RangeError\n/);
      const lines = await Array.fromAsync(readLogs(folder.path, { since: new Date(0), requestIds: [id] }));
      assert.ok(lines.some(({ text, requestId }) => text.endsWith("\techo logged") && requestId === id));
      assert.ok(lines.every(({ requestId, at }) => requestId === id && !Number.isNaN(Date.parse(at))));
    });

    test("a function's environment has what Lambda and its owner set", async () => {
      const { body } = await invoke("environment", {});
      const { GREETING, AWS_LAMBDA_FUNCTION_NAME, AWS_LAMBDA_FUNCTION_MEMORY_SIZE, LAMBDA_TASK_ROOT } = body;
      assert.deepEqual(
        { GREETING, AWS_LAMBDA_FUNCTION_NAME, AWS_LAMBDA_FUNCTION_MEMORY_SIZE, LAMBDA_TASK_ROOT },
        {
          GREETING: "hello",
          AWS_LAMBDA_FUNCTION_NAME: "environment",
          AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "1769",
          LAMBDA_TASK_ROOT: HANDLERS,
        },
      );
    });

    test("what a handler throws is the answer, with the error's name", async () => {
      const { status, error, body } = await invoke("throws", {});
      assert.deepEqual([status, error], [200, "Unhandled"]);
      assert.deepEqual(
        [body.errorType, body.errorMessage],
        ["RangeError", "expected a smaller number, got 7"],
      );
    });

    test("an exit, a signal, too much memory and too much time each end in Lambda's words", async () => {
      const errors = await Promise.all([
        invoke("exits", { code: 3 }),
        invoke("kills", {}),
        invoke("fills", { mib: 1024 }),
        invoke("sleeps", { ms: 60_000 }),
      ]);
      const said = errors.map(({ error, body }) => [
        error,
        body.errorType,
        String(body.errorMessage).replace(/^RequestId: \S+ /, ""),
      ]);
      assert.deepEqual(said, [
        ["Unhandled", "Runtime.ExitError", "Error: Runtime exited with error: exit status 3"],
        ["Unhandled", "Runtime.ExitError", "Error: Runtime exited with error: signal: killed"],
        ["Unhandled", "Runtime.OutOfMemory", "Error: Runtime exited with error: signal: killed"],
        ["Unhandled", "Sandbox.Timedout", "Error: Task timed out after 1.00 seconds"],
      ]);
      assert.match(errors[3].log, /Task timed out after 1\.00 seconds\n.*END .*\n.*\tStatus: timeout\n/);
    });

    test("what is thrown outside of a handler's promise ends its process", async () => {
      const errors = [
        await invoke("strays", { as: "rejection" }),
        await invoke("strays", { as: "exception" }),
      ];
      assert.deepEqual(
        errors.map(({ error, body }) => [error, body.errorType]),
        [
          ["Unhandled", "Runtime.ExitError"],
          ["Unhandled", "Runtime.ExitError"],
        ],
      );
      assert.match(errors[0]!.log, /TypeError: nobody waits/);
      assert.match(String(errors[1]!.body.errorMessage), /Runtime exited with error: exit status 1$/);
    });

    test("code that cannot be loaded fails its invocations", async () => {
      const [missing, nowhere] = await Promise.all([invoke("missing", {}), invoke("nowhere", {})]);
      assert.deepEqual([missing.error, missing.body.errorType], ["Unhandled", "Runtime.HandlerNotFound"]);
      assert.deepEqual([nowhere.error, nowhere.body.errorType], ["Unhandled", "Runtime.ImportModuleError"]);
    });

    test("the remaining time falls from the function's time-out", async () => {
      const answers = await Promise.all([invoke("remaining", { ms: 0 }), invoke("remaining", { ms: 200 })]);
      const [early, late] = answers.map(({ body }) => body as unknown as number) as [number, number];
      assert.ok(early <= 5000 && late <= 4800 && late > 0, `${early}, ${late}`);
    });

    test("an answer above 6 MB is the function's failure, one below is not", async () => {
      const { error, body } = await invoke("answersWith", { bytes: 7 << 20 });
      assert.deepEqual([error, body.errorType], ["Unhandled", "Function.ResponseSizeTooLarge"]);
      const below = await invoke("answersWith", { bytes: 5 << 20 });
      assert.equal((below.body as unknown as string).length, 5 << 20);
    });

    test("payloads above Lambda's limits, and what is no JSON, are refused", async () => {
      const large = { text: "x".repeat(2 << 20) };
      assert.equal((await invoke("echo", large)).status, 200);
      const async_ = await refusal(invoke("echo", large, "Event"));
      assert.equal(async_.name, "RequestTooLargeException");
      assert.match(String(async_.message), /too large for the Event invocation type \(limit 1048576 bytes\)/);
      const sync = await refusal(invoke("echo", { text: "x".repeat(7 << 20) }));
      assert.equal(sync.name, "RequestTooLargeException");
      const broken = new InvokeCommand({ FunctionName: "echo", Payload: Buffer.from("{") });
      assert.equal((await refusal(client.send(broken))).name, "InvalidRequestContentException");
      assert.equal((await refusal(invoke("nobody", {}))).name, "ResourceNotFoundException");
    });

    test("more invocations than a function has reserved are refused with the reason", async () => {
      const first = invoke("alone", { ms: 500 });
      await untilBusy(service);
      const { name, Reason } = await refusal(invoke("alone", { ms: 0 }));
      assert.deepEqual(
        { name, Reason },
        { name: "TooManyRequestsException", Reason: "ReservedFunctionConcurrentInvocationLimitExceeded" },
      );
      assert.equal((await first).error, undefined);
    });

    test("an event is accepted at once and tried twice more while its function fails", async () => {
      const path = join(folder.path, "counted");
      const { status, body } = await invoke("counts", { path, failures: 2 }, "Event");
      assert.deepEqual([status, body], [202, undefined]);
      const ids = await untilLines(path, 3);
      await sleep(100);
      assert.deepEqual(readFileSync(path, "utf8").trim().split("\n"), ids);
      assert.equal(new Set(ids).size, 1, "all tries have one request id");
    });

    test("an event that always fails is given up after the third try", async () => {
      const path = join(folder.path, "given-up");
      await invoke("counts", { path, failures: 10 }, "Event");
      await untilLines(path, 3);
      await sleep(100);
      assert.equal(readFileSync(path, "utf8").trim().split("\n").length, 3);
    });

    test("a dry run starts nothing, and the account tells its limits", async () => {
      const before = [...service.pool.sandboxes].length;
      assert.equal((await invoke("echo", {}, "DryRun")).status, 204);
      assert.ok([...service.pool.sandboxes].length <= before);
      const { AccountLimit } = await client.send(new GetAccountSettingsCommand({}));
      assert.deepEqual(
        [AccountLimit?.ConcurrentExecutions, AccountLimit?.UnreservedConcurrentExecutions],
        [20, 19],
      );
      const { MemorySize, Timeout, Handler } = await client.send(
        new GetFunctionConfigurationCommand({
          FunctionName: "arn:aws:lambda:us-east-1:000000000000:function:fills",
        }),
      );
      assert.deepEqual([MemorySize, Timeout, Handler], [512, 5, "handlers.fills"]);
    });
  });
}

export async function untilBusy(service: LambdaService, count = 1): Promise<void> {
  while (service.pool.busy < count) await sleep(5);
}

async function untilLines(path: string, count: number): Promise<string[]> {
  for (;;) {
    const lines = existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
    if (lines.length >= count) return lines;
    await sleep(10);
  }
}
