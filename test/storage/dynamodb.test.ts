import { CreateTableCommand, paginateScan } from "@aws-sdk/client-dynamodb";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, describe, test } from "node:test";
import { DynamoTable } from "../../src/storage/aws/dynamo-table.ts";
import { openStorage } from "../../src/storage/open.ts";
import { storageContract } from "../contract/storage.ts";
import { useServer } from "../servers/index.ts";
import { needs } from "../support/requirement.ts";
import { listen, openWith, refusalOf } from "./refusals.ts";

const server = await useServer("dynamodb");
after(() => server?.stop());
const uri = server?.uri ?? "";
const tableName = uri.split("/")[2] ?? "";

if (server) storageContract("dynamodb", () => openStorage(`${uri}/contract`));

describe("dynamodb on a real server", needs("dynamodb"), () => {
  /** Hash keys of all items that begin with `prefix`. */
  async function collectionsOf(prefix: string): Promise<string[]> {
    const table = await DynamoTable.open(tableName, process.env);
    const pages = paginateScan({ client: table.client }, { TableName: tableName });
    const items = (await Array.fromAsync(pages)).flatMap(({ Items = [] }) => Items);
    table.close();
    return items
      .map(({ collection }) => collection!.S!)
      .filter((collection) => collection.startsWith(prefix));
  }

  test("parts that no object names any more are deleted, whoever won", async () => {
    const storage = await openStorage(`${uri}/tidy`);
    const before = (await collectionsOf(".parts/")).length;
    const large = [new Uint8Array(1_000_000)];
    await storage.put("a/replaced", large);
    await storage.put("a/replaced", large);
    await storage.put("a/replaced", [new Uint8Array(3)]);
    await storage.put("a/won", large, { ifAbsent: true });
    await storage.put("a/won", large, { ifAbsent: true });
    assert.equal((await collectionsOf(".parts/")).length - before, 3);
    await storage.delete(["a/replaced", "a/won"]);
    assert.equal((await collectionsOf(".parts/")).length, before);
    assert.equal((await collectionsOf(`${uri.split("/")[3]}/tidy`)).length, 0);
    await storage.close();
  });

  test("a range of a large object that spans two of its items is put together", async () => {
    const storage = await openStorage(uri);
    const bytes = Uint8Array.from({ length: 900_000 }, (_, i) => i >> 8);
    await storage.put("ranges/a", [bytes]);
    for (const [begin, end] of [
      [0, 3],
      [407_990, 408_010],
      [815_000, 900_000],
      [899_999, 900_000],
    ] as const) {
      const got = await storage.get({ key: "ranges/a", range: { begin, end } });
      assert.deepEqual(got, bytes.slice(begin, end));
    }
    await storage.close();
  });

  test("stores with different prefixes in one table are apart", async () => {
    const [a, ab] = [await openStorage(`${uri}/a`), await openStorage(`${uri}/ab`)];
    await a.put("x/y", [new Uint8Array(1)]);
    await ab.put("x/y", [new Uint8Array(2)]);
    await ab.put("z", [new Uint8Array(2)]);
    assert.deepEqual(await Array.fromAsync(a.list("")), ["x/y"]);
    assert.deepEqual(await Array.fromAsync(ab.list("")), ["x/y", "z"]);
    await a.deleteFolder("x/");
    assert.equal((await ab.get({ key: "x/y" }))?.byteLength, 2);
    await Promise.all([a.close(), ab.close()]);
  });

  test("a table that is missing is an error with the command that makes it", async () => {
    const error = await refusalOf(await openStorage("dynamodb://no-such-table"));
    assert.equal(error.code, "storage-missing");
    assert.equal(error.retryable, false);
    assert.match(
      error.suggestions.join(),
      /aws dynamodb create-table --table-name no-such-table .*KeyType=HASH/,
    );
  });

  test("a table with another key is an error with the command that makes one of ours", async () => {
    const table = await DynamoTable.open("other-key", process.env);
    await table.client.send(
      new CreateTableCommand({
        TableName: "other-key",
        AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
        BillingMode: "PAY_PER_REQUEST",
      }),
    );
    table.close();
    const error = await refusalOf(await openStorage("dynamodb://other-key"));
    assert.equal(error.code, "storage-missing");
    assert.match(error.suggestions.join(), /create-table/);
  });
});

describe("dynamodb without a server", () => {
  test("a table that takes nothing of a batch again and again is throttled, which can be tried again", async () => {
    const throttling = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const { RequestItems } = JSON.parse(body) as { RequestItems?: object };
        response.end(JSON.stringify({ UnprocessedItems: RequestItems ?? {} }));
      });
    });
    const env = { AWS_ENDPOINT_URL_DYNAMODB: await listen(throttling) };
    const storage = await openWith(env, "dynamodb://some-table");
    await assert.rejects(storage.put("large", [new Uint8Array(500_000)]), {
      code: "storage-throttled",
      retryable: true,
    });
    await storage.close();
    throttling.close();
  });

  test("refusals of the account and of its limits are told apart", async () => {
    const codes = {
      UnrecognizedClientException: ["storage-denied", false],
      ExpiredTokenException: ["storage-denied", false],
      ProvisionedThroughputExceededException: ["storage-throttled", true],
    } as const;
    for (const [type, expected] of Object.entries(codes)) {
      const refusing = createServer((_, response) => {
        const __type = `com.amazonaws.dynamodb.v20120810#${type}`;
        response.writeHead(400).end(JSON.stringify({ __type, message: "told" }));
      });
      const env = { AWS_ENDPOINT_URL_DYNAMODB: await listen(refusing) };
      const error = await refusalOf(await openWith(env, "dynamodb://some-table"));
      assert.deepEqual([error.code, error.retryable], expected);
      refusing.close();
    }
  });
});
