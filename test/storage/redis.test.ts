import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { after, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { openStorage } from "../../src/storage/open.ts";
import { collect } from "../contract/collect.ts";
import { coded, noise, show, text, unusedFolder } from "../contract/objects.ts";
import { storageContract } from "../contract/storage.ts";
import { useServer } from "../servers/index.ts";
import { startRedis } from "../servers/redis.ts";
import { needs } from "../support/requirement.ts";

const server = await useServer("redis");
after(() => server?.stop());

if (server !== undefined) storageContract("redis", () => openStorage(server.uri));

/** A server with settings of its own, for one test. */
async function withRedis(more: readonly string[], use: (uri: string) => Promise<void>): Promise<void> {
  const own = await startRedis(more);
  try {
    await use(own.uri);
  } finally {
    await own.stop();
  }
}

const cli = (uri: string, ...args: string[]) => promisify(execFile)("redis-cli", ["-u", uri, ...args]);

describe("redis", needs("redis"), () => {
  test("a full memory is an error of its own, and leaves what was there", () =>
    withRedis(["--maxmemory", "20mb"], async (uri) => {
      const storage = await openStorage(uri);
      await storage.put("kept", [text("kept")]);
      const fill = async (): Promise<void> => {
        for (let i = 0; i < 5; i++) await storage.put(`fill/${i}`, [new Uint8Array(8_000_000)]);
      };
      await assert.rejects(fill(), coded("storage-full", "put fill/", "OOM"));
      assert.equal(show(await storage.get({ key: "kept" })), "kept");
      await storage.close();
    }));

  test("a missing or wrong password is an error that does not show it", () =>
    withRedis(["--requirepass", "right"], async (uri) => {
      const at = (password: string) => uri.replace("//", `//:${password}@`);
      const refused = async (location: string): Promise<void> => {
        const storage = await openStorage(location);
        await assert.rejects(storage.get({ key: "a" }), (error) => {
          assert.ok(coded("storage-denied")(error));
          assert.ok(!JSON.stringify(error).includes("wr0ng") && !String(error).includes("wr0ng"));
          return true;
        });
      };
      await refused(uri);
      await refused(at("wr0ng"));
      const storage = await openStorage(at("right"));
      assert.ok(!storage.uri.includes("right"));
      await storage.put("a", [text("x")]);
      await storage.close();
      process.env.REDIS_PASSWORD = "right";
      try {
        const fromEnvironment = await openStorage(uri);
        assert.equal(show(await fromEnvironment.get({ key: "a" })), "x");
        await fromEnvironment.close();
      } finally {
        delete process.env.REDIS_PASSWORD;
      }
    }));

  test("databases are apart", async () => {
    const [first, second] = [await openStorage(server!.uri), await openStorage(`${server!.uri}/1`)];
    const key = `${unusedFolder()}/a`;
    await first.put(key, [text("first")]);
    assert.equal(await second.get({ key }), undefined);
    await Promise.all([first.close(), second.close()]);
  });

  test("a broken connection fails what was under way and is opened anew by the next call", () =>
    withRedis([], async (uri) => {
      const storage = await openStorage(`${uri}?retryMs=0`);
      await storage.put("a", [noise(3_000_000)]);
      const under = Promise.allSettled([storage.get({ key: "a" }), storage.put("b", [noise(30_000_000)])]);
      await cli(uri, "CLIENT", "KILL", "TYPE", "normal");
      for (const result of await under) {
        assert.ok(result.status === "fulfilled" || coded("storage-unreachable")(result.reason));
      }
      await setTimeout(50); // by now the end of the connection has come
      assert.equal((await storage.get({ key: "a" }))?.byteLength, 3_000_000);
      assert.equal(await storage.put("b", [text("b")]), "stored");
      await storage.close();
    }));

  test("a wait outlives its connection", () =>
    withRedis([], async (uri) => {
      const storage = await openStorage(uri);
      const waiting = collect(storage.waitFor([{ key: "late" }], { timeoutMs: 10_000 }));
      await setTimeout(20);
      await cli(uri, "CLIENT", "KILL", "TYPE", "normal");
      await setTimeout(20);
      await storage.put("late", [text("here")]);
      assert.equal(show((await waiting)[0]?.bytes), "here");
      await storage.close();
    }));

  test("a server that is gone fails puts and waits at once, with an error that may be retried", async () => {
    const own = await startRedis();
    const storage = await openStorage(`${own.uri}?retryMs=0`);
    await storage.put("a", [text("a")]);
    const waiting = collect(storage.waitFor([{ key: "never" }], { timeoutMs: 60_000 }));
    const ended = assert.rejects(waiting, coded("storage-unreachable"));
    await setTimeout(20);
    await own.stop();
    await ended;
    await assert.rejects(storage.put("a", [text("a")]), { code: "storage-unreachable", retryable: true });
    await storage.close();
  });

  test("a process that only forgets to close its storage ends", async () => {
    const script = `
      import { openStorage } from ${JSON.stringify(import.meta.resolve("../../src/storage/open.ts"))};
      const storage = await openStorage(${JSON.stringify(server!.uri)});
      await storage.put("forgotten", [new Uint8Array(4)]);
      console.log((await storage.get({ key: "forgotten" })).byteLength);
    `;
    const options = { timeout: 5000 };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "-e", script],
      options,
    );
    assert.equal(stdout, "4\n");
  });
});

test("what answers but is no Redis is told apart", async () => {
  const stranger = net.createServer((socket) => {
    socket.on("error", () => undefined).end("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await once(stranger.listen(0, "127.0.0.1"), "listening");
  const { port } = stranger.address() as net.AddressInfo;
  const storage = await openStorage(`redis://127.0.0.1:${port}`);
  await assert.rejects(storage.get({ key: "a" }), coded("storage-failed", "HTTP/1.1 400"));
  stranger.close();
});

test("a URI that is none shows the form and no password", async () => {
  for (const uri of [
    "redis:host",
    "redis://",
    "redis://:secret@host/database",
    "redis://u:secret@host:x/1",
  ]) {
    await assert.rejects(
      async () => openStorage(uri),
      (error: Error) => {
        assert.ok(coded("storage-uri-invalid", "[:port][/database]")(error), String(error));
        assert.ok(!error.message.includes("secret"));
        return true;
      },
    );
  }
});
