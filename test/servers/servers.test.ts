import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { needs } from "../support/requirement.ts";
import { startRedis } from "./redis.ts";
import { freePort, listens, startServer } from "./server.ts";

test("a server answers until it is stopped, and leaves no folder", needs("redis"), async () => {
  let folder = "";
  const port = await freePort();
  const server = await startServer("example", async (home) => {
    folder = home.folder;
    home.start("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder]);
    await home.ready(() => listens(port));
    return { uri: `redis://127.0.0.1:${port}`, env: {} };
  });
  assert.ok(existsSync(folder));
  await server.stop();
  assert.equal(await listens(port), false);
  assert.equal(existsSync(folder), false);
});

test("a server that does not come up is an error with its log", needs("redis"), async () => {
  await assert.rejects(
    startRedis(["--no-such-option", "1"]),
    /redis-server did not come up.*no-such-option/s,
  );
});

test("a server ends with the process that started it, even if that is killed", needs("redis"), async () => {
  const script = `
    import { startRedis } from ${JSON.stringify(import.meta.resolve("./redis.ts"))};
    console.log((await startRedis()).uri);
    setInterval(() => undefined, 1000);
  `;
  const args = ["--input-type=module", "-e", script];
  const starter = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [uri] = (await once(createInterface(starter.stdout), "line")) as [string];
  const port = Number(new URL(uri).port);
  assert.equal(await listens(port), true);
  starter.kill("SIGKILL");
  while (await listens(port)) await sleep(10);
});
