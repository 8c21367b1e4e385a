// One DynamoDB table: its key, the client that talks to it, batches that are done in part, and what its refusals mean:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html

import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  type CreateTableCommandInput,
  DynamoDBClient,
  type WriteRequest,
} from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { sideBySide } from "../side-by-side.ts";
import { awsClientSettings, customEndpoint, settledRegion, trim } from "./account.ts";
import { awsError, serviceError } from "./aws-error.ts";
import type { RequestPlace } from "./explanations.ts";

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html */
const BATCH_WRITE_ITEMS = 25;
const BATCH_READ_ITEMS = 100;
/** One request holds at most 16 MB; smaller ones, side by side, keep both ends busy. */
const BATCH_BYTES = 4_000_000;
const BATCHES_AT_ONCE = 4;
/** Rounds in which a table takes or gives nothing of a batch before it counts as throttled: 0.8 s. */
const MAX_IDLE_ROUNDS = 5;
const FIRST_PAUSE_MS = 25;

export type Item = Record<string, AttributeValue>;

export interface ItemKey {
  readonly collection: string;
  readonly name: string;
}

/** The key of every table of ours, as CreateTable takes it. */
export const KEY_SCHEMA = {
  AttributeDefinitions: [
    { AttributeName: "collection", AttributeType: "S" },
    { AttributeName: "name", AttributeType: "S" },
  ],
  KeySchema: [
    { AttributeName: "collection", KeyType: "HASH" },
    { AttributeName: "name", KeyType: "RANGE" },
  ],
} satisfies Partial<CreateTableCommandInput>;

export function keyAttributes({ collection, name }: ItemKey): Item {
  return { collection: { S: collection }, name: { S: name } };
}

export class DynamoTable {
  readonly name: string;
  readonly client: DynamoDBClient;
  readonly #place: Omit<RequestPlace, "what">;

  private constructor(name: string, client: DynamoDBClient, region: string, endpoint: URL | undefined) {
    this.name = name;
    this.client = client;
    this.#place = {
      ...{ part: "storage", resource: `dynamodb://${name}`, endpoint: endpoint?.origin ?? "AWS", region },
      createCommand: createTableCommand(name, region),
    };
  }

  /** Sends nothing. Throws "aws-region", "aws-credentials", or "aws-endpoint" for a bad AWS_ENDPOINT_URL. */
  static async open(name: string, env: NodeJS.ProcessEnv): Promise<DynamoTable> {
    const endpoint = customEndpoint("dynamodb", env);
    const client = new DynamoDBClient(awsClientSettings(endpoint, env));
    trim(client);
    return new DynamoTable(name, client, await settledRegion(client.config), endpoint);
  }

  /** What an answer of `client` gives. Throws the user's error for a refusal; `what` was done: `put runs/a`. */
  async ask<T>(what: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw this.refusal(what, error);
    }
  }

  refusal(what: string, error: unknown): unknown {
    return awsError({ what: `storage ${what}`, ...this.#place }, error);
  }

  /** Writes items, the requests side by side; those that the table leaves over are sent again. */
  async putAll(
    count: number,
    itemAt: (index: number) => Item,
    itemBytes: number,
    what: string,
  ): Promise<void> {
    const batch = Math.max(1, Math.min(BATCH_WRITE_ITEMS, Math.floor(BATCH_BYTES / itemBytes)));
    await sideBySide(Math.ceil(count / batch), BATCHES_AT_ONCE, async (i) => {
      const indices = Array.from({ length: Math.min(batch, count - i * batch) }, (_, j) => i * batch + j);
      await this.#write(
        indices.map((index) => ({ PutRequest: { Item: itemAt(index) } })),
        what,
      );
    });
  }

  async deleteAll(keys: readonly ItemKey[], what: string): Promise<void> {
    await sideBySide(Math.ceil(keys.length / BATCH_WRITE_ITEMS), BATCHES_AT_ONCE, (i) =>
      this.#write(
        keys
          .slice(i * BATCH_WRITE_ITEMS, (i + 1) * BATCH_WRITE_ITEMS)
          .map((key) => ({ DeleteRequest: { Key: keyAttributes(key) } })),
        what,
      ),
    );
  }

  /** Calls `found` for each item that exists, in any order; strongly consistent. */
  async getAll(
    keys: readonly ItemKey[],
    itemBytes: number,
    found: (item: Item) => void,
    what: string,
  ): Promise<void> {
    const batch = Math.max(1, Math.min(BATCH_READ_ITEMS, Math.floor(BATCH_BYTES / itemBytes)));
    await sideBySide(Math.ceil(keys.length / batch), BATCHES_AT_ONCE, async (i) => {
      const asked = keys.slice(i * batch, (i + 1) * batch).map(keyAttributes);
      await this.#untilProcessed(asked, what, async (left) => {
        const RequestItems = { [this.name]: { ConsistentRead: true, Keys: left } };
        const answer = await this.ask(what, this.client.send(new BatchGetItemCommand({ RequestItems })));
        answer.Responses?.[this.name]?.forEach(found);
        return answer.UnprocessedKeys?.[this.name]?.Keys ?? [];
      });
    });
  }

  close(): void {
    this.client.destroy();
  }

  #write(requests: WriteRequest[], what: string): Promise<void> {
    return this.#untilProcessed(requests, what, async (left) => {
      const command = new BatchWriteItemCommand({ RequestItems: { [this.name]: left } });
      const answer = await this.ask(what, this.client.send(command));
      return answer.UnprocessedItems?.[this.name] ?? [];
    });
  }

  /** Part of the protocol, no retry: a batch may be done in part, and says what is left. */
  async #untilProcessed<T>(all: T[], what: string, process: (left: T[]) => Promise<T[]>): Promise<void> {
    let left = all;
    for (let idleRounds = 0; left.length > 0;) {
      const before = left.length;
      left = await process(left);
      if (left.length < before) {
        idleRounds = 0;
        continue;
      }
      if (++idleRounds > MAX_IDLE_ROUNDS) {
        const message = `the table left ${left.length} items of a batch undone ${idleRounds} times`;
        const place = { what: `storage ${what}`, ...this.#place };
        throw serviceError(place, { status: 200, code: "ThrottlingException", message });
      }
      await sleep(FIRST_PAUSE_MS * 2 ** (idleRounds - 1));
    }
  }
}

function createTableCommand(table: string, region: string): string {
  const attributes = KEY_SCHEMA.AttributeDefinitions.map(
    ({ AttributeName: name, AttributeType: type }) => `AttributeName=${name},AttributeType=${type}`,
  );
  const keys = KEY_SCHEMA.KeySchema.map(
    ({ AttributeName: name, KeyType: type }) => `AttributeName=${name},KeyType=${type}`,
  );
  return (
    `aws dynamodb create-table --table-name ${table} --region ${region} --billing-mode PAY_PER_REQUEST ` +
    `--attribute-definitions ${attributes.join(" ")} --key-schema ${keys.join(" ")}`
  );
}
