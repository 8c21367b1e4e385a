// `sltrain lambda serve` as a user runs it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { eventsOf, startSltrain, temporaryFolder, type JsonEvent } from "../support/cli.ts";

const folder = temporaryFolder();
after(folder.remove);

test("the worker answers AWS's client, and a signal ends the service in good order", async () => {
  const { child, ended } = startSltrain(
    ["lambda", "serve", "--port", "0", "--worker", "sltrain", "--timeout-s", "20", "--json"],
    folder.path,
  );
  after(() => child.kill("SIGKILL"));
  const [line] = (await once(createInterface(child.stdout!), "line")) as [string];
  const { event, endpoint, concurrency } = JSON.parse(line) as JsonEvent;
  assert.deepEqual([event, concurrency], ["lambda.listening", 1000]);
  const client = new LambdaClient({
    ...{ endpoint: endpoint as string, region: "us-east-1" },
    credentials: { accessKeyId: "nobody", secretAccessKey: "nothing" },
  });
  const { Payload } = await client.send(new InvokeCommand({ FunctionName: "sltrain", Payload: "{}" }));
  assert.match(Payload!.transformToString(), /function event: expected schemaVersion/);
  client.destroy();
  child.kill("SIGINT");
  const told = await ended;
  assert.equal(told.code, 0, told.stderr);
  assert.equal(eventsOf(told).at(-1)!.event, "lambda.stopped");
});

test("without --json it prints what is enforced and what a shell needs", async () => {
  const { child, ended } = startSltrain(["lambda", "serve", "--port", "0"], folder.path);
  after(() => child.kill("SIGKILL"));
  await Promise.race([once(child.stdout!, "data"), ended]);
  child.kill("SIGTERM");
  const { stdout } = await ended;
  assert.match(stdout, /^# memory: /m);
  assert.match(stdout, /^# CPU: /m);
  assert.match(stdout, /^export AWS_ENDPOINT_URL_LAMBDA=http:\/\/127\.0\.0\.1:\d+$/m);
});
