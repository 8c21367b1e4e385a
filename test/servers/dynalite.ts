// dynalite, npm's DynamoDB server (400 KB limit and conditional puts are enforced; no transactions), with one table.

import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { fileURLToPath } from "node:url";
import { DynamoTable, KEY_SCHEMA } from "../../src/storage/aws/dynamo-table.ts";
import { AWS_ACCOUNT, freePort, listens, startServer, type TestServer } from "./server.ts";

const TABLE = "sltrain-test";
const DYNALITE = fileURLToPath(import.meta.resolve("dynalite/cli.js"));

export function startDynalite(): Promise<TestServer> {
  return startServer("dynalite", async (home) => {
    const port = await freePort();
    const delays = ["--createTableMs", "0", "--deleteTableMs", "0", "--updateTableMs", "0"];
    home.start(process.execPath, [DYNALITE, "--host", "127.0.0.1", "--port", `${port}`, ...delays]);
    await home.ready(() => listens(port));
    const env = { ...AWS_ACCOUNT, AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${port}` };
    const table = await DynamoTable.open(TABLE, env);
    await table.client.send(
      new CreateTableCommand({ TableName: TABLE, ...KEY_SCHEMA, BillingMode: "PAY_PER_REQUEST" }),
    );
    table.close();
    return { uri: `dynamodb://${TABLE}`, env };
  });
}
