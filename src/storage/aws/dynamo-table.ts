// One DynamoDB table: its key, its operations over the JSON protocol, and what its refusals mean:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html

import { hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { sideBySide } from "../side-by-side.ts";
import { awsAccount, type AwsAccount } from "./account.ts";
import { networkError, serviceError, type RequestPlace } from "./aws-error.ts";
import { awsHost, customEndpoint } from "./endpoint.ts";
import { HttpClient, type HttpResponse } from "./http-client.ts";
import { signedHeaders } from "./sigv4.ts";

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html */
const BATCH_WRITE_ITEMS = 25;
const BATCH_READ_ITEMS = 100;
/** One request holds at most 16 MB; smaller ones, side by side, keep both ends busy. */
const BATCH_BYTES = 4_000_000;
const BATCHES_AT_ONCE = 4;
/** Rounds in which a table takes or gives nothing of a batch before it counts as throttled: 0.8 s. */
const MAX_IDLE_ROUNDS = 5;
const FIRST_PAUSE_MS = 25;

/** An attribute's value: string, number as text, or bytes in base64. */
export type Attribute = { readonly S: string } | { readonly N: string } | { readonly B: string };
export type Item = Readonly<Record<string, Attribute>>;

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
} as const;

export function keyAttributes({ collection, name }: ItemKey): Item {
  return { collection: { S: collection }, name: { S: name } };
}

/** The one refusal that is an outcome. */
export class ConditionFailed extends Error {}

interface BatchAnswer {
  readonly Responses?: Readonly<Record<string, readonly Item[]>>;
  readonly UnprocessedKeys?: Readonly<Record<string, { readonly Keys: readonly Item[] }>>;
  readonly UnprocessedItems?: Readonly<Record<string, readonly object[]>>;
}

export class DynamoTable {
  readonly name: string;
  readonly #account: AwsAccount;
  readonly #endpoint: URL;
  readonly #client: HttpClient;

  private constructor(name: string, account: AwsAccount, endpoint: URL) {
    this.name = name;
    this.#account = account;
    this.#endpoint = endpoint;
    this.#client = new HttpClient(endpoint);
  }

  /** Sends nothing. Throws "storage-region" or "storage-denied". */
  static async open(name: string, env: NodeJS.ProcessEnv): Promise<DynamoTable> {
    const account = await awsAccount(env);
    const endpoint =
      customEndpoint("dynamodb", env) ?? new URL(`https://${awsHost("dynamodb", account.region)}`);
    return new DynamoTable(name, account, endpoint);
  }

  /** One operation on this table. Throws ConditionFailed, and SltrainError for everything else. */
  async send<T>(operation: string, input: object, what: string): Promise<T> {
    return this.#call<T>(operation, { TableName: this.name, ...input }, what);
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
        const request = { [this.name]: { ConsistentRead: true, Keys: left } };
        const answer = await this.#call<BatchAnswer>("BatchGetItem", { RequestItems: request }, what);
        answer.Responses?.[this.name]?.forEach(found);
        return answer.UnprocessedKeys?.[this.name]?.Keys ?? [];
      });
    });
  }

  close(): void {
    this.#client.close();
  }

  #write(requests: readonly object[], what: string): Promise<void> {
    return this.#untilProcessed(requests, what, async (left) => {
      const input = { RequestItems: { [this.name]: left } };
      const answer = await this.#call<BatchAnswer>("BatchWriteItem", input, what);
      return answer.UnprocessedItems?.[this.name] ?? [];
    });
  }

  /** Part of the protocol, no retry: a batch may be done in part, and says what is left. */
  async #untilProcessed<T>(
    all: readonly T[],
    what: string,
    process: (left: readonly T[]) => Promise<readonly T[]>,
  ): Promise<void> {
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
        throw serviceError(this.#place(what), { status: 200, code: "ThrottlingException", message });
      }
      await sleep(FIRST_PAUSE_MS * 2 ** (idleRounds - 1));
    }
  }

  async #call<T>(operation: string, input: object, what: string): Promise<T> {
    const body = Buffer.from(JSON.stringify(input));
    const headers = signedHeaders(
      {
        ...{ method: "POST", host: this.#endpoint.host, path: "/", query: "" },
        headers: {
          "content-type": "application/x-amz-json-1.0",
          "x-amz-target": `DynamoDB_20120810.${operation}`,
        },
        bodySha256: hash("sha256", body),
      },
      {
        credentials: await this.#account.credentials(),
        region: this.#account.region,
        service: "dynamodb",
      },
      new Date(),
    );
    let response: HttpResponse;
    try {
      response = await this.#client.send({ method: "POST", path: "/", headers, body: [body] });
    } catch (error) {
      throw networkError(this.#place(what), error);
    }
    if (response.status === 200) return JSON.parse(Buffer.from(response.body).toString()) as T;
    throw this.#refusal(what, response);
  }

  #refusal(what: string, { status, body }: HttpResponse): Error {
    const text = Buffer.from(body).toString();
    const code = /"__type":"(?:[^"]*#)?([^"]*)"/.exec(text)?.[1] ?? "";
    if (code === "ConditionalCheckFailedException") return new ConditionFailed();
    const message = /"[mM]essage":"([^"]*)"/.exec(text)?.[1] ?? "";
    return serviceError(this.#place(what), { status, code, message });
  }

  #place(what: string): RequestPlace {
    const { region } = this.#account;
    return {
      ...{
        what: `storage ${what}`,
        store: `dynamodb://${this.name}`,
        endpoint: this.#endpoint.origin,
        region,
      },
      createCommand: createTableCommand(this.name, region),
    };
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
