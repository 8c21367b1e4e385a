// What the local service can do beside what Lambda does.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { localUri } from "../../../src/functions/local.ts";
import { openFunctions } from "../../../src/functions/open-functions.ts";
import { measuredMemory } from "../../../src/providers/local/limits/measured-memory.ts";
import { startServiceProcess } from "../../../src/providers/local/service-process.ts";
import { startLambdaService, type ServiceOptions } from "../../../src/providers/local/service.ts";
import { temporaryFolder } from "../../support/cli.ts";
import { clientOf, functionOf, untilBusy } from "./function-tests.ts";

const folder = temporaryFolder();
after(folder.remove);
const TOKEN = "known to the test";

async function serve(options: Partial<ServiceOptions> = {}) {
  const service = await startLambdaService({
    ...{ port: 0, accountConcurrency: 10, logFolder: folder.path, controlToken: TOKEN },
    ...options,
  });
  const client = clientOf(service.endpoint);
  after(async () => {
    client.destroy();
    await service.close();
  });
  const invoke = async (FunctionName: string, event: object) => {
    const answer = await client.send(
      new InvokeCommand({ FunctionName, Payload: Buffer.from(JSON.stringify(event)) }),
    );
    return JSON.parse(answer.Payload!.transformToString()) as unknown;
  };
  const control = async (path: string, body: object, token = TOKEN) => {
    const answer = await fetch(`${service.endpoint}/sltrain/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === "" ? undefined : JSON.parse(text)) as unknown };
  };
  return { service, invoke, control };
}

test("memory that no kernel limits is measured, and who takes too much is ended", async () => {
  const { service, invoke } = await serve({
    limits: measuredMemory,
    functions: [functionOf("fills", { memoryMiB: 128 })],
  });
  assert.deepEqual(service.enforces, { memory: "measured", cpu: "not-enforced" });
  const { errorType } = (await invoke("fills", { mib: 4096 })) as { errorType: string };
  assert.equal(errorType, "Runtime.OutOfMemory");
});

test("cgroups of sandboxes are gone when the service is", async (t) => {
  const { service, invoke } = await serve({ functions: [functionOf("echo")] });
  if (service.enforces.memory !== "cgroup-v1") {
    t.skip("no writable cgroup v1");
    return;
  }
  await invoke("echo", {});
  const groups = () =>
    readdirSync("/sys/fs/cgroup/memory", { recursive: true, encoding: "utf8" }).filter((name) =>
      new RegExp(`sltrain-${process.pid}-\\d+$`).test(name),
    );
  assert.notEqual(groups().length, 0);
  await service.close();
  while (groups().length > 0) await sleep(10);
});

test("a sandbox that nobody used for a while is ended", async () => {
  const { service, invoke } = await serve({ functions: [functionOf("echo")], sandboxIdleMs: 50 });
  const before = (await invoke("echo", {})) as { pid: number };
  while ([...service.pool.sandboxes].length > 0) await sleep(10);
  const later = (await invoke("echo", {})) as { pid: number };
  assert.notEqual(later.pid, before.pid);
});

test("a function that is registered anew gets new sandboxes", async () => {
  const { service, invoke } = await serve({ functions: [functionOf("echo")] });
  const before = (await invoke("echo", {})) as { pid: number; context: { memoryLimitInMB: string } };
  service.registry.register(functionOf("echo", { memoryMiB: 512 }));
  const later = (await invoke("echo", {})) as typeof before;
  assert.deepEqual([before.context.memoryLimitInMB, later.context.memoryLimitInMB], ["1769", "512"]);
});

test("faults are made on request, by whoever knows the token", async () => {
  const path = `${folder.path}/deliveries`;
  const { service, invoke, control } = await serve({
    functions: [functionOf("counts"), functionOf("sleeps"), functionOf("echo")],
  });
  assert.equal((await control("throttle", { forMs: 10_000 }, "another")).status, 403);
  assert.deepEqual(await invoke("sleeps", { ms: 0 }), { ms: 0 });

  const functions = await openFunctions(localUri(service.endpoint, "counts"), {});
  await control("deliveries", { match: { rank: 1 }, deliveriesMs: [0, 50] });
  await functions.invoke({ path, failures: 0, rank: 0 });
  await functions.invoke({ path, failures: 0, rank: 1 });
  while (linesOf(path).length < 3) await sleep(10);

  await control("throttle", { forMs: 300 });
  await assert.rejects(invoke("echo", {}), { name: "TooManyRequestsException" });
  await functions.invoke({ path, failures: 0, rank: 2 });
  while (linesOf(path).length < 4) await sleep(10);
  await functions.close();

  const stopped = invoke("sleeps", { ms: 100, rank: 3 });
  const other = invoke("sleeps", { ms: 100, rank: 4 });
  await untilBusy(service, 2);
  const hit = (await control("sandboxes", { match: { rank: 3 }, signal: "SIGSTOP" })).body as {
    event: object;
  }[];
  assert.deepEqual(
    hit.map(({ event }) => event),
    [{ ms: 100, rank: 3 }],
  );
  assert.deepEqual(await other, { ms: 100, rank: 4 });
  await control("sandboxes", { match: { rank: 3 }, signal: "SIGCONT" });
  assert.deepEqual(await stopped, { ms: 100, rank: 3 });

  const ended = invoke("sleeps", { ms: 60_000, rank: 5 });
  await untilBusy(service);
  await control("sandboxes", { match: { rank: 5 }, end: "out-of-memory" });
  assert.equal(((await ended) as { errorType: string }).errorType, "Runtime.OutOfMemory");
});

test("a page in a browser is refused", async () => {
  const { service } = await serve({ functions: [functionOf("echo")] });
  const { status } = await fetch(`${service.endpoint}/2015-03-31/functions/echo/invocations`, {
    method: "POST",
    headers: { origin: "https://example.com" },
  });
  assert.equal(status, 403);
});

test("functions that cannot be invoked are told apart", async () => {
  const { service } = await serve({ functions: [] });
  const missing = await openFunctions(localUri(service.endpoint, "nobody"), {});
  await assert.rejects(missing.invoke({}), { code: "function-missing" });
  await assert.rejects(missing.invoke({ text: "x".repeat(2 << 20) }), { code: "event-too-large" });
  await missing.close();
  await assert.rejects(openFunctions("nothing:here", {}), { code: "functions-unknown" });
  await assert.rejects(openFunctions("local:http://example.com/echo", {}), { code: "functions-unknown" });
});

test("a service process ends by itself when it has nothing to do, and at once when it is asked to", async () => {
  const options = { port: 0, accountConcurrency: 1, logFolder: folder.path, functions: [functionOf("echo")] };
  const idle = await startServiceProcess({ ...options, idleMs: 100 });
  await idle.stopped;
  const asked = await startServiceProcess(options);
  await clientOf(asked.endpoint).send(new InvokeCommand({ FunctionName: "echo" }));
  await asked.stop();
  await assert.rejects(fetch(asked.endpoint));
});

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
}
