// dynamodb://TABLE[/PREFIX]. An object is an item, its first segment the hash key and the rest the sort key, so that a
// listing within a folder is a query. Objects above an item's 400 KB lie in part items under an id of their own, which
// the object's item names once all are there: readers see all of it or nothing. A writer that is killed in between
// leaves parts that nobody names. Requests are the SDK's over a transport of ours, as for S3.

import {
  type AttributeValue,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  type ScanCommandOutput,
} from "@aws-sdk/client-dynamodb";
import { randomBytes } from "node:crypto";
import { SltrainError } from "../../errors.ts";
import { refusalCode } from "../aws/aws-error.ts";
import { DynamoTable, keyAttributes, type Item, type ItemKey } from "../aws/dynamo-table.ts";
import { checkFolder, checkKey, keyPrefix } from "../keys.ts";
import { bytesWithin, slices } from "../parts.ts";
import { REQUEST_PRICES } from "../prices.ts";
import { destination, resolveRange } from "../read.ts";
import { sideBySide } from "../side-by-side.ts";
import type { GetRef, PutOptions, PutOutcome, Storage } from "../storage.ts";
import { withoutCredentials } from "../uri.ts";
import { pollUntilPresent } from "../wait.ts";

/** An item holds 409,600 bytes, its key and the names of its attributes included. */
const ITEM_BYTES = 408_000;
const MAX_PARTS = 10_000;
/** No segment of a key begins with a dot. */
const PARTS_COLLECTION = ".parts/";
/** Keys of one segment; a hash key is never empty. */
const ROOT_COLLECTION = "./";
const DELETES_AT_ONCE = 16;
const NOTHING = new Uint8Array(0);
/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html */
const LOCATION = /^\/\/([A-Za-z0-9_.-]{3,255})(?:\/(.*))?$/;

/** An object's item: `bytes` (absent if empty), or `parts` and `size`, where its parts are. */
type Head = Item;

/** Throws "storage-unknown" for a location of another form, "aws-region" and "aws-credentials". Sends nothing. */
export async function open(location: string): Promise<Storage> {
  const [tableName, prefix] = parseLocation(location);
  const table = await DynamoTable.open(tableName, process.env);
  const { client, name: TableName } = table;

  const itemKey = (key: string): ItemKey => {
    checkKey(key);
    const slash = key.indexOf("/") + 1;
    return slash === 0
      ? { collection: prefix + ROOT_COLLECTION, name: key }
      : { collection: prefix + key.slice(0, slash), name: key.slice(slash) };
  };

  const partKeys = (head: Head): ItemKey[] =>
    head.parts?.S === undefined ? [] : partKeysOf(head.parts.S, Number(head.size?.N));

  async function readHead(key: string): Promise<Head | undefined> {
    const command = new GetItemCommand({ TableName, Key: keyAttributes(itemKey(key)), ConsistentRead: true });
    return (await table.ask(`get ${key}`, client.send(command))).Item;
  }

  /** Stores a head, or deletes it, whatever was there; parts of what was there are deleted. */
  async function replace(
    what: string,
    request: (how: { ConditionExpression: string } | { ReturnValues: "ALL_OLD" }) => Promise<{
      readonly Attributes?: Head | undefined;
    }>,
  ): Promise<void> {
    try {
      // Most objects have no parts, and the old value need not come back.
      await request({ ConditionExpression: "attribute_not_exists(parts)" });
    } catch (error) {
      if (!isConditionFailed(error)) throw table.refusal(what, error);
      const { Attributes: old = {} } = await table.ask(what, request({ ReturnValues: "ALL_OLD" }));
      await table.deleteAll(partKeys(old), what);
    }
  }

  /** The attributes of a head for `parts`, whose part items are then stored. */
  async function storeParts(parts: readonly Uint8Array[], sizeBytes: number, what: string): Promise<Item> {
    if (sizeBytes === 0) return {};
    if (sizeBytes <= ITEM_BYTES) return { bytes: binary(parts) };
    const id = randomBytes(16).toString("base64url");
    const bodies = slices(parts, ITEM_BYTES);
    const keys = partKeysOf(id, sizeBytes);
    const itemAt = (i: number): Item => ({ ...keyAttributes(keys[i]!), bytes: binary(bodies[i]!) });
    try {
      await table.putAll(keys.length, itemAt, ITEM_BYTES, what);
    } catch (error) {
      // Whether that works or not, the put's own failure is what the caller must know.
      await Promise.allSettled([table.deleteAll(keys, what)]);
      throw error;
    }
    return { parts: { S: id }, size: { N: `${sizeBytes}` } };
  }

  /** False if some parts have gone: another writer has replaced the object meanwhile. */
  async function readParts(
    head: Head,
    { begin, end }: { begin: number; end: number },
    bytes: Uint8Array,
    what: string,
  ): Promise<boolean> {
    const first = Math.floor(begin / ITEM_BYTES);
    const keys = partKeys(head).slice(first, Math.ceil(end / ITEM_BYTES));
    const indices = new Map(keys.map(({ collection }, i) => [collection, first + i]));
    let found = 0;
    await table.getAll(
      keys,
      ITEM_BYTES,
      (item) => {
        found++;
        const part = item.bytes?.B ?? NOTHING;
        const partBegin = indices.get(item.collection?.S ?? "")! * ITEM_BYTES;
        const from = Math.max(0, begin - partBegin);
        const to = Math.min(part.byteLength, end - partBegin);
        bytes.set(part.subarray(from, to), partBegin + from - begin);
      },
      what,
    );
    return found === keys.length;
  }

  /** Keys that begin with `start`, in order within a folder. */
  async function* listItems(start: string): AsyncGenerator<string[]> {
    const slash = start.indexOf("/") + 1;
    const projection = {
      ...{ TableName, ConsistentRead: true, ProjectionExpression: "#c, #n" },
      ExpressionAttributeNames: { "#c": "collection", "#n": "name" },
    };
    const query = {
      ...projection,
      KeyConditionExpression: "#c = :c" + (slash < start.length ? " AND begins_with(#n, :n)" : ""),
      ExpressionAttributeValues: {
        ":c": { S: prefix + start.slice(0, slash) },
        ...(slash < start.length && { ":n": { S: start.slice(slash) } }),
      },
    };
    const scan = {
      ...projection,
      FilterExpression: "begins_with(#c, :c) AND NOT begins_with(#c, :parts)",
      ExpressionAttributeValues: { ":c": { S: prefix }, ":parts": { S: PARTS_COLLECTION } },
    };
    let ExclusiveStartKey: Item | undefined;
    do {
      const from: { ExclusiveStartKey: Item | undefined } = { ExclusiveStartKey };
      const answer: Promise<ScanCommandOutput> =
        slash > 0
          ? client.send(new QueryCommand({ ...query, ...from }))
          : client.send(new ScanCommand({ ...scan, ...from }));
      const page = await table.ask(`list ${start}`, answer);
      yield (page.Items ?? []).map(({ collection, name }) => {
        const folder = collection!.S!.slice(prefix.length);
        return (folder === ROOT_COLLECTION ? "" : folder) + name!.S!;
      });
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
  }

  const storage: Storage = {
    uri: `dynamodb:${location}`,
    capabilities: {
      durable: true,
      shared: true,
      conditionalPut: true,
      rangeGet: true,
      list: true,
      batchKeys: 1,
      blockingWait: false,
      maxValueBytes: ITEM_BYTES * MAX_PARTS,
      prices: REQUEST_PRICES.dynamodb,
    },

    async put(key: string, parts: readonly Uint8Array[], options: PutOptions = {}): Promise<PutOutcome> {
      const target = keyAttributes(itemKey(key));
      const what = `put ${key}`;
      const sizeBytes = bytesWithin(ITEM_BYTES * MAX_PARTS, key, parts);
      const head: Head = await storeParts(parts, sizeBytes, what);
      const input = { TableName, Item: { ...target, ...head } };
      if (options.ifAbsent !== true) {
        await replace(what, (how) => client.send(new PutItemCommand({ ...input, ...how })));
        return "stored";
      }
      const condition = "attribute_not_exists(#n)";
      const names = { ExpressionAttributeNames: { "#n": "name" } };
      try {
        await client.send(new PutItemCommand({ ...input, ConditionExpression: condition, ...names }));
        return "stored";
      } catch (error) {
        if (!isConditionFailed(error)) throw table.refusal(what, error);
        await table.deleteAll(partKeys(head), what);
        return "exists";
      }
    },

    async get(ref: GetRef, into?: Uint8Array): Promise<Uint8Array | undefined> {
      let head = await readHead(ref.key);
      while (head !== undefined) {
        const inline = head.parts === undefined ? (head.bytes?.B ?? NOTHING) : undefined;
        const range = resolveRange(ref, inline?.byteLength ?? Number(head.size?.N));
        const bytes = destination(ref, range.end - range.begin, into);
        if (inline !== undefined) {
          bytes.set(inline.subarray(range.begin, range.end));
          return bytes;
        }
        if (await readParts(head, range, bytes, `get ${ref.key}`)) return bytes;
        const next = await readHead(ref.key);
        if (next?.parts?.S === head.parts?.S) throw damaged(ref.key, tableName);
        head = next;
      }
      return undefined;
    },

    waitFor: (refs, options) => pollUntilPresent(storage, refs, options),

    delete: (keys) =>
      sideBySide(keys.length, DELETES_AT_ONCE, (i) => {
        const key = keys[i]!;
        const input = { TableName, Key: keyAttributes(itemKey(key)) };
        return replace(`delete ${key}`, (how) => client.send(new DeleteItemCommand({ ...input, ...how })));
      }),

    async *list(start: string): AsyncGenerator<string> {
      if (start.includes("/")) {
        for await (const page of listItems(start)) yield* page;
        return;
      }
      const keys = (await Array.fromAsync(listItems(start))).flat();
      yield* keys.filter((key) => key.startsWith(start)).sort();
    },

    async deleteFolder(folder: string): Promise<void> {
      checkFolder(folder);
      for await (const page of listItems(folder)) await storage.delete(page);
    },

    close() {
      table.close();
      return Promise.resolve();
    },
  };
  return storage;
}

function partKeysOf(id: string, sizeBytes: number): ItemKey[] {
  // A hash key each: a partition of DynamoDB's takes 1 MB a second.
  return Array.from({ length: Math.ceil(sizeBytes / ITEM_BYTES) }, (_, i) => ({
    collection: `${PARTS_COLLECTION}${id}/${i}`,
    name: "part",
  }));
}

function binary(parts: readonly Uint8Array[]): AttributeValue {
  return { B: Buffer.concat(parts) };
}

/** The one refusal that is an outcome. */
function isConditionFailed(error: unknown): boolean {
  return refusalCode(error) === "ConditionalCheckFailedException";
}

function parseLocation(location: string): [table: string, prefix: string] {
  const [, table, folder = ""] = LOCATION.exec(location) ?? [];
  if (table !== undefined) return [table, keyPrefix(folder)];
  throw new SltrainError({
    code: "storage-unknown",
    message: `storage: expected dynamodb://TABLE or dynamodb://TABLE/PREFIX, but got ${JSON.stringify(withoutCredentials(`dynamodb:${location}`))}`,
    suggestions: ["A table's name has 3 to 255 letters, digits, dots, hyphens and underscores."],
  });
}

function damaged(key: string, table: string): SltrainError {
  return new SltrainError({
    code: "storage-failed",
    message: `storage get ${key}: expected all parts of it in dynamodb://${table}, but some are missing`,
    suggestions: [
      "Something else deletes items of this table (a time to live?): give sltrain one of its own.",
    ],
  });
}
