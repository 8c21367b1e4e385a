// dynalite, npm's DynamoDB server (400 KB limit and conditional puts are enforced; no transactions), with one table.

import { fileURLToPath } from "node:url";
import { CreateTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
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
    await createTable(env.AWS_ENDPOINT_URL_DYNAMODB);
    return { uri: `dynamodb://${TABLE}`, env };
  });
}

async function createTable(endpoint: string): Promise<void> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = AWS_ACCOUNT;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new DynamoDBClient({ endpoint, region: AWS_ACCOUNT.AWS_REGION, credentials });
  await client.send(
    new CreateTableCommand({
      TableName: TABLE,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "collection", AttributeType: "S" },
        { AttributeName: "name", AttributeType: "S" },
      ],
      KeySchema: [
        { AttributeName: "collection", KeyType: "HASH" },
        { AttributeName: "name", KeyType: "RANGE" },
      ],
    }),
  );
  client.destroy();
}
