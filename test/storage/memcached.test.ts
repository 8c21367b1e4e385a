import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { openChannel, openStorage } from "../../src/storage/open.ts";
import type { Channel } from "../../src/storage/storage.ts";
import { Connection } from "../../src/storage/wire/connection.ts";
import { deleteItem } from "../../src/storage/wire/memcached-meta.ts";
import { channelContract } from "../contract/channel.ts";
import { coded, noise, show, text, unusedFolder } from "../contract/objects.ts";
import { useServer } from "../servers/index.ts";
import { startMemcached } from "../servers/memcached.ts";
import { needs } from "../support/requirement.ts";

const server = await useServer("memcached");
after(() => server?.stop());
if (server !== undefined) channelContract("memcached", () => openChannel(server.uri));

const small = server && [await startMemcached(["-I", "1m"]), await startMemcached(["-I", "2m"])];
after(() => Promise.all((small ?? []).map((one) => one.stop())));
const smallUri = `memcached:${(small ?? [])
  .map(({ uri }) => uri.slice("memcached:".length))
  .join(",")
  .replaceAll(",//", ",")}`;
if (server !== undefined) {
  channelContract("memcached, two servers that hold items of 1 and 2 MB", () => openChannel(smallUri));
}

/** Takes an item away, as memcached does when it needs room. */
async function evict(uri: string, name: string): Promise<void> {
  const { hostname, port } = new URL(uri);
  const connection = await Connection.open({ host: hostname, port: Number(port), tls: false }, {});
  await connection.send(deleteItem("test", name));
  connection.close();
}

/** Names of the items of `uri`'s server that begin with `prefix`. */
async function itemsOf(uri: string, prefix: string): Promise<string[]> {
  const { hostname, port } = new URL(uri);
  const connection = await Connection.open({ host: hostname, port: Number(port), tls: false }, {});
  const names = await connection.send({
    name: "test",
    parts: [text("lru_crawler metadump all\r\n")],
    *read(line) {
      const found: string[] = [];
      for (; line !== "END"; line = yield "line") found.push(decodeURIComponent(/key=(\S*)/.exec(line)![1]!));
      return found;
    },
  });
  connection.close();
  return names.filter((name) => name.startsWith(prefix));
}

describe("memcached", needs("memcached"), () => {
  const withChannel = async (
    uri: string,
    use: (channel: Channel, uri: string) => Promise<void>,
  ): Promise<void> => {
    const channel = await openChannel(uri);
    try {
      await use(channel, uri);
    } finally {
      await channel.close();
    }
  };

  test("a value of many items of which one was evicted is absent, and can be put again", () =>
    withChannel(small![0]!.uri, async (channel, uri) => {
      const key = `${unusedFolder()}/a`;
      const value = noise(3_500_000);
      await channel.put(key, [value], { ifAbsent: true });
      const items = await itemsOf(uri, key);
      assert.equal(items.length, 5);
      await evict(
        uri,
        items.find((name) => name.endsWith(".2"))!,
      );
      assert.equal(await channel.get({ key }), undefined);
      assert.equal(await channel.put(key, [value], { ifAbsent: true }), "stored");
      const back = await channel.get({ key });
      assert.ok(back !== undefined && Buffer.compare(back, value) === 0);
    }));

  test("delete and a lost put-if-absent leave no items behind", () =>
    withChannel(small![0]!.uri, async (channel, uri) => {
      const folder = unusedFolder();
      const value = noise(3_000_000);
      for (const outcome of ["stored", "exists"]) {
        assert.equal(await channel.put(`${folder}/a`, [value], { ifAbsent: true }), outcome);
      }
      assert.equal((await itemsOf(uri, folder)).length, 4);
      await channel.delete([`${folder}/a`]);
      assert.deepEqual(await itemsOf(uri, folder), []);
    }));

  test("every item expires", () =>
    withChannel(server!.uri, async (channel, uri) => {
      const key = `${unusedFolder()}/expires`;
      await channel.put(key, [text("x")]);
      const { hostname, port } = new URL(uri);
      const connection = await Connection.open({ host: hostname, port: Number(port), tls: false }, {});
      const line = await connection.send({
        name: "test",
        parts: [text(`mg ${key} t\r\n`)],
        // eslint-disable-next-line require-yield
        *read(reply) {
          return reply;
        },
      });
      connection.close();
      const seconds = Number(/^HD t(\d+)$/.exec(line)?.[1]);
      assert.ok(seconds > 0 && seconds <= 3600, line);
    }));

  test("a memory that is full and must not evict is an error of its own", async () => {
    const own = await startMemcached(["-m", "8", "-M", "-I", "1m"]);
    await withChannel(own.uri, async (channel) => {
      await channel.put("kept", [text("kept")]);
      const fill = async (): Promise<void> => {
        for (let i = 0; i < 20; i++) await channel.put(`fill/${i}`, [new Uint8Array(900_000)]);
      };
      await assert.rejects(fill(), coded("storage-full", "put fill/"));
      assert.equal(show(await channel.get({ key: "kept" })), "kept");
    });
    await own.stop();
  });

  test("a server that is gone fails the call with an error that may be retried", async () => {
    const own = await startMemcached();
    const channel = await openChannel(`${own.uri}?retryMs=0`);
    await channel.put("a", [text("a")]);
    await own.stop();
    await assert.rejects(channel.put("a", [text("a")]), { code: "storage-unreachable", retryable: true });
    await channel.close();
  });

  test("a server that is another one is told apart", async () => {
    const redis = await useServer("redis");
    if (redis === undefined) return;
    const channel = await openChannel(redis.uri.replace("redis:", "memcached:"));
    await assert.rejects(channel.get({ key: "a" }), coded("storage-failed", "no memcached"));
    await redis.stop();
  });
});

test("memcached cannot be the storage, and says so by name", async () => {
  await assert.rejects(openStorage("memcached://host"), coded("storage-unsupported", "got memcached"));
});

test("a URI that is none shows the form and no password", async () => {
  for (const uri of [
    "memcached:host",
    "memcached://",
    "memcached://a,",
    "memcached://u:secret@h",
    "memcached://h:x",
  ]) {
    await assert.rejects(
      async () => openChannel(uri),
      (error: Error) => {
        assert.ok(coded("storage-uri-invalid", "memcached://host[:port]")(error), String(error));
        assert.ok(!error.message.includes("secret"));
        return true;
      },
    );
  }
});
